// SPDX-License-Identifier: Apache-2.0
// host-gw: no device; each peer has a route via its public IP, which must be on the underlay's
// link. A host without a public IPv4 has its IPv4 subnet behind its public IPv6 (RFC 8950).
#pragma once

#include <memory>
#include <string_view>

#include "backend/backend.h"

namespace flannel {

class HostGwBackend final : public Backend {
 public:
  static constexpr std::string_view kType = "host-gw";
  static Result<MadeBackend> make(std::string_view options_json, const Underlay& underlay);

  bool wants_on_link() const override { return true; }
  AnnouncedBackend announced() const override { return {.type = std::string(kType)}; }
  LeaseAttributes announce(const HostFacts& host, const Lease* previous) const override;
  std::uint32_t overlay_mtu(const HostFacts& host) const override { return host.underlay.mtu; }
  Result<IpAddress> carrier(const Lease& peer, Family family, const HostFacts& host) const override;
  NetState host_state(const Lease&, const HostFacts&) const override { return {}; }
  Result<NetState> peer_state(const Lease& own, const Lease& peer, const HostFacts& host,
                              const PeerPath& path) const override;
};

}  // namespace flannel
