// SPDX-License-Identifier: Apache-2.0
// vxlan: one device per host and family, flannel.<VNI> and flannel-v6.<VNI>; each carries packets
// of its family over an underlay of the same family. Each peer has a permanent neighbour (its
// subnet's base address at its VTEP's MAC), a permanent FDB entry (that MAC at its public IP) and
// an onlink route.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "backend/backend.h"

namespace flannel {

// Bytes that encapsulation adds to a packet: outer IPv4 20 or IPv6 40, UDP 8, VXLAN 8, inner
// Ethernet 14.
constexpr std::uint32_t vxlan_overhead(Family family) {
  return family == Family::v4 ? 50 : 70;
}

struct VxlanOptions {
  std::uint32_t vni = 1;      // 1..9999999, with IPv6 1..9999, as the device's name allows
  std::uint16_t port = 8472;  // the kernel's default, also for 0 in the configuration
  bool gbp = false;
  bool learning = false;
  bool direct_routing = false;            // peers on the underlay's link get a plain route
  std::optional<std::uint32_t> base_mtu;  // "MTU": replaces the underlay interface's

  bool operator==(const VxlanOptions&) const = default;
};

class VxlanBackend final : public Backend {
 public:
  static constexpr std::string_view kType = "vxlan";
  // Parses the Backend object.
  static Result<MadeBackend> make(const NetworkConfig& config, const Underlay& underlay);

  VxlanBackend(VxlanOptions options, std::vector<Family> families)
      : options_(options), families_(std::move(families)) {}

  LeaseAttributes announce(const HostFacts& host, const Lease* previous) const override;
  std::uint32_t overlay_mtu(const HostFacts& host) const override;
  bool wants_on_link() const override { return options_.direct_routing; }
  std::vector<BackendDevice> devices() const override;
  NetState host_state(const Lease& own, const HostFacts& host) const override;
  Result<NetState> peer_state(const Lease& own, const Lease& peer, const HostFacts& host,
                              const PeerPath& path) const override;

 private:
  std::string device(Family family) const;
  std::uint32_t device_mtu(Family family, const HostFacts& host) const;
  Mac mac_of(const LeaseAttributes* announced, Family family, const HostFacts& host) const;

  VxlanOptions options_;
  std::vector<Family> families_;  // the network has these
};

// The BackendData of a vxlan lease. Releases of flannel before v0.14 write no VNI.
struct VxlanData {
  std::optional<std::uint32_t> vni;
  Mac vtep_mac;
};
std::string encode_vxlan_data(const VxlanData& data);  // {"VNI":1,"VtepMAC":"aa:bb:.."}
// Refuses a MAC that no VTEP can have: zero or multicast.
Result<VxlanData> decode_vxlan_data(std::string_view json);

}  // namespace flannel
