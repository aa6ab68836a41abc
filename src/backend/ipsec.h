// SPDX-License-Identifier: Apache-2.0
// ipsec: the kernel puts packets into ESP tunnels between the public IPs of hosts, by policies;
// strongSwan's charon agrees on the keys with each peer. No device; each peer has a route by the
// underlay, which packets that no policy protects do not get as far as:
//
//   out         10.5.1.0/24 ─▶ 10.5.2.0/24   tunnel to the peer
//   out         any         ─▶ 10.5.1.0/24   pass: to our own containers
//   out         any         ─▶ 10.5.0.0/16   block: to a peer that is not known, or is gone
//   in, forward 10.5.2.0/24 ─▶ 10.5.1.0/24   only by the tunnel from the peer
//   in, forward 10.5.1.0/24 ─▶ 10.5.1.0/24   pass
//   in, forward 10.5.0.0/16 ─▶ 10.5.1.0/24   block
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"

namespace flannel {

// Bytes that are added to a packet, as upstream counts: outer IPv4 header 20, ESP header 8, IV 16,
// padding 15, trailer 2, check value 16.
inline constexpr std::uint32_t kIpsecOverhead = 77;
inline constexpr std::uint32_t kUdpEncapOverhead = 8;

class IpsecBackend final : public Backend {
 public:
  static constexpr std::string_view kType = "ipsec";
  // Parses the Backend object. Its errors do not repeat the PSK.
  static Result<MadeBackend> make(const NetworkConfig& config, const Underlay& underlay);

  // `networks`: of IPv4.
  IpsecBackend(IpsecSettings settings, std::vector<IpPrefix> networks)
      : settings_(std::move(settings)), networks_(std::move(networks)) {}

  AnnouncedBackend announced() const override { return {.type = std::string(kType)}; }
  LeaseAttributes announce(const HostFacts& host, const Lease* previous) const override;
  std::uint32_t overlay_mtu(const HostFacts& host) const override;
  Companion companion(const HostFacts&) const override { return settings_; }
  std::uint16_t tunnel_port(const Lease& peer, const IpAddress& carrier) const override;
  bool takes_network() const override { return true; }
  std::uint8_t tunnel_protocol() const override { return 50; }  // ESP, RFC 4303
  NetState host_state(const Lease& own, const HostFacts& host) const override;
  NetState pass_state(const Lease& own, const IpPrefix& subnet,
                      const HostFacts& host) const override;
  Result<NetState> peer_state(const Lease& own, const Lease& peer, const HostFacts& host,
                              const PeerPath& path) const override;

 private:
  IpsecSettings settings_;
  std::vector<IpPrefix> networks_;
};

}  // namespace flannel
