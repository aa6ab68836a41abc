// SPDX-License-Identifier: Apache-2.0
// The part of a configuration on which hosts must agree to reach each other, and the data plane
// that a lease announces.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/lease.h"
#include "core/network_config.h"

namespace flannel {

// The devices, routes and sockets by which a host exchanges packets with the hosts that have an
// equal data plane. A host can have several data planes side by side.
struct DataPlane {
  std::string type;                    // of the backend, in lower case
  std::optional<std::int64_t> vni{};   // vxlan
  std::optional<std::int64_t> port{};  // vxlan and udp

  bool operator==(const DataPlane&) const = default;
};

// "vxlan (VNI 1, Port 8472)", "udp (Port 8285)", "host-gw".
std::string to_string(const DataPlane& plane);

// True for backends whose leases announce no type, and so cannot be distinguished.
bool announces_no_type(std::string_view backend_type);

// The data plane that this configuration gives to hosts. An option that the backend refuses counts
// as absent.
DataPlane data_plane_of(const NetworkConfig& config);

// The data plane of the host that wrote this lease. What the lease leaves open is as in `expected`
// if that is possible, and otherwise as by default.
DataPlane announced_data_plane(const LeaseAttributes& lease, const DataPlane& expected);

// True if the lease announces the data plane of this configuration, or leaves open what differs:
// the type of udp and alloc, the port.
bool announces(const LeaseAttributes& lease, const NetworkConfig& config);

}  // namespace flannel
