// SPDX-License-Identifier: Apache-2.0
// udp: one TUN device per host, with a route for the whole network of each family; our own packet
// path sends packets as the payload of UDP datagrams, over IPv4 or IPv6 whatever the packet is. It
// is the default backend.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "backend/backend.h"

namespace flannel {

// Bytes that encapsulation adds to a packet if the underlay is of this family: its IP header of 20
// or 40 bytes, and UDP 8.
constexpr std::uint32_t udp_overhead(Family underlay) {
  return underlay == Family::v4 ? 28 : 48;
}

struct UdpOptions {
  std::uint16_t port = 8285;  // the same for all hosts, because leases announce no port
  // The options below are unknown to upstream flannel.
  bool accept_any = false;  // peers may send from another address than the one they announce
  bool persistent = true;   // the device remains when the daemon ends
  int queues = 0;           // of the device, each with two threads; 0: by the number of CPUs

  bool operator==(const UdpOptions&) const = default;
};

class UdpBackend final : public Backend {
 public:
  static constexpr std::string_view kType = "udp";
  // Parses the Backend object.
  static Result<MadeBackend> make(const NetworkConfig& config, const Underlay& underlay);

  UdpBackend(UdpOptions options, std::vector<IpPrefix> networks)
      : options_(options), networks_(std::move(networks)) {}

  AnnouncedBackend announced() const override {
    return {.type = std::string(kType), .port = options_.port};
  }
  LeaseAttributes announce(const HostFacts& host, const Lease* previous) const override;
  // A host with both families may send by either.
  std::uint32_t overlay_mtu(const HostFacts& host) const override {
    return host.underlay.mtu - udp_overhead(host.underlay.v6 ? Family::v6 : Family::v4);
  }
  Result<IpAddress> carrier(const Lease& peer, Family family, const HostFacts& host) const override;
  bool routes_network() const override { return true; }
  Companion companion(const HostFacts& host) const override;
  // The name of the device is known once it is open, and the daemon adds it to devices() then.
  NetState host_state(const Lease& own, const HostFacts& host) const override;
  Result<NetState> peer_state(const Lease& own, const Lease& peer, const HostFacts& host,
                              const PeerPath& path) const override;

 private:
  UdpOptions options_;
  std::vector<IpPrefix> networks_;  // at most one of a family
};

}  // namespace flannel
