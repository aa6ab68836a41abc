// SPDX-License-Identifier: Apache-2.0
// vxlan: one device for each family of the underlay, flannel.<VNI> over IPv4 and flannel-v6.<VNI>
// over IPv6 (plan/vxlan_device.h has the names of a second one). A device carries packets of its
// own family, and those of the other family between hosts that have no underlay of it in common;
// then it has our address of that family too. Each subnet of a peer has a permanent neighbour (its
// base address at the MAC of the peer's VTEP), a permanent FDB entry (that MAC at the peer's public
// IP) and an onlink route.
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

  // `families`: of the network. `underlays`: of the underlay's addresses.
  VxlanBackend(VxlanOptions options, std::vector<Family> families, std::vector<Family> underlays)
      : options_(options), families_(std::move(families)), underlays_(std::move(underlays)) {}

  AnnouncedBackend announced() const override {
    return {.type = std::string(kType), .vni = options_.vni, .port = options_.port};
  }
  LeaseAttributes announce(const HostFacts& host, const Lease* previous) const override;
  std::uint32_t overlay_mtu(const HostFacts& host) const override;
  Result<IpAddress> carrier(const Lease& peer, Family family,
                            const HostFacts& host) const override {
    return carrier_in_any(family, peer, host);
  }
  bool wants_on_link() const override { return options_.direct_routing; }
  std::vector<BackendDevice> devices(const HostFacts& host) const override;
  NetState host_state(const Lease& own, const HostFacts& host) const override;
  Result<NetState> peer_state(const Lease& own, const Lease& peer, const HostFacts& host,
                              const PeerPath& path) const override;

 private:
  // The families of the packets between the hosts of this network: those that the network has, and
  // those that our underlay has. Other hosts may use a family that is neither.
  std::vector<Family> outer_families() const;
  // In what follows `underlay` is the family of the packets that the device sends and receives.
  std::string device(Family underlay, const HostFacts& host) const;
  // The underlay of the device that has our address of this family.
  Family device_with_address(Family family) const;
  std::uint32_t device_mtu(Family underlay, const HostFacts& host) const;
  Mac mac_of(const LeaseAttributes* announced, Family underlay, const HostFacts& host) const;

  VxlanOptions options_;
  std::vector<Family> families_;
  std::vector<Family> underlays_;
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
