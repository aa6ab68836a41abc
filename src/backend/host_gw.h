// SPDX-License-Identifier: Apache-2.0
// host-gw: no device; each peer has a route via its public IP, which must be on the underlay's
// link.
#pragma once

#include <cstdint>
#include <string_view>

#include "backend/backend.h"

namespace flannel {

class HostGwBackend final : public Backend {
 public:
  static constexpr std::string_view kType = "host-gw";
  static Result<MadeBackend> make(std::string_view options_json, const Underlay& underlay);

  bool wants_on_link() const override { return true; }
  LeaseAttributes announce(const HostFacts& host, const Lease* previous) const override;
  std::uint32_t overlay_mtu(const HostFacts& host) const override { return host.underlay.mtu; }
  Scope scope(const IpPrefix& network) const override { return {{}, {network}}; }
  NetState host_state(const Lease&, const HostFacts&) const override { return {}; }
  Result<NetState> peer_state(const Lease& own, const Lease& peer, const HostFacts& host,
                              const PeerFacts& facts) const override;
};

}  // namespace flannel
