// SPDX-License-Identifier: Apache-2.0
// udp: one TUN device per host, with a route for the whole network; our own packet path sends
// packets as the payload of UDP datagrams. It is the default backend.
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
  // Parses the Backend object; `network` is the configuration's.
  static Result<MadeBackend> make(std::string_view options_json, const IpPrefix& network,
                                  const Underlay& underlay);

  UdpBackend(UdpOptions options, const IpPrefix& network) : options_(options), network_(network) {}

  LeaseAttributes announce(const HostFacts& host, const Lease* previous) const override;
  std::uint32_t overlay_mtu(const HostFacts& host) const override {
    return host.underlay.mtu - udp_overhead(Family::v4);
  }
  std::optional<PacketPathSettings> packet_path(const HostFacts& host) const override;
  // The scope has no device: its name is known once it is open, and the daemon adds it then.
  Scope scope(const IpPrefix& network) const override { return {{}, {network}}; }
  NetState host_state(const Lease& own, const HostFacts& host) const override;
  Result<NetState> peer_state(const Lease& own, const Lease& peer, const HostFacts& host,
                              const PeerFacts& facts) const override;

 private:
  UdpOptions options_;
  IpPrefix network_;
};

}  // namespace flannel
