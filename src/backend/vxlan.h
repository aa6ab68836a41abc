// SPDX-License-Identifier: Apache-2.0
// vxlan: one flannel.<VNI> device per host. Each peer has a permanent neighbour (its subnet's base
// address at its VTEP's MAC), a permanent FDB entry (that MAC at its public IP) and an onlink
// route.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "backend/backend.h"

namespace flannel {

// Bytes that encapsulation adds to a packet: outer IPv4 20, UDP 8, VXLAN 8, inner Ethernet 14.
inline constexpr std::uint32_t kVxlanOverhead = 50;

struct VxlanOptions {
  std::uint32_t vni = 1;      // 1..9999999, as the device's name allows
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
  static Result<MadeBackend> make(std::string_view options_json, const Underlay& underlay);

  explicit VxlanBackend(VxlanOptions options) : options_(options) {}

  LeaseAttributes announce(const HostFacts& host, const Lease* previous) const override;
  std::uint32_t overlay_mtu(const HostFacts& host) const override;
  bool wants_on_link() const override { return options_.direct_routing; }
  Scope scope(const IpPrefix& network) const override;
  NetState host_state(const Lease& own, const HostFacts& host) const override;
  Result<NetState> peer_state(const Lease& own, const Lease& peer, const HostFacts& host,
                              const PeerFacts& facts) const override;

 private:
  std::string device() const;

  VxlanOptions options_;
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
