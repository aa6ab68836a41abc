// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "net/address.h"

namespace flannel {

// What the kernel does with a packet that it forwards or sends, up to the device of the overlay.
struct PacketWay {
  std::string device;            // by which it leaves; empty: it does not
  std::string kind;              // of the device: "vxlan", "bridge"; empty: hardware
  bool is_up = false;            // the device
  std::optional<IpAddress> via;  // the gateway of the route; nullopt: none
  bool is_local = false;         // the destination is an address of this host
  bool is_refused = false;       // the route is a blackhole, or says unreachable or prohibited
  std::uint32_t mtu = 0;         // of the device, or of the route if that is smaller
  // For the gateway, or without one for the destination: the MAC that frames are sent to, if the
  // kernel knows one at the moment.
  std::optional<Mac> neighbour;
  // Where the device sends packets on the underlay. vxlan: by the FDB entry of that MAC; ipip: to
  // the gateway; wireguard: to the endpoint of the peer whose prefix has the destination, if the
  // device is ours and this process has CAP_NET_ADMIN.
  std::optional<IpAddress> remote;
  // WireGuard's UDP ports, there and here.
  std::optional<std::uint16_t> remote_port, local_port;
  // Since the last handshake with that peer of WireGuard; nullopt: there was none.
  std::optional<std::chrono::seconds> handshake_age;
};

// Asks the kernel for the way of a packet from `source` that comes in by the device `in`; empty:
// a packet of this host. Changes nothing. ErrorKind::unavailable: there is no route, or the kernel
// takes no packet of this source from that device (rp_filter).
Result<PacketWay> packet_way(const IpAddress& source, const IpAddress& destination,
                             const std::string& in);
// Returns the device of that way alone, empty if there is none: packet_way() reads all peers of the
// device.
Result<std::string> packet_device(const IpAddress& source, const IpAddress& destination,
                                  const std::string& in);

}  // namespace flannel
