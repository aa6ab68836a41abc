// SPDX-License-Identifier: Apache-2.0
// alloc: only leases the subnet and writes subnet.env; other software carries the packets.
#pragma once

#include <cstdint>
#include <string_view>

#include "backend/backend.h"

namespace flannel {

class AllocBackend final : public Backend {
 public:
  static constexpr std::string_view kType = "alloc";
  static Result<MadeBackend> make(std::string_view options_json);

  AnnouncedBackend announced() const override { return {.type = std::string(kType)}; }
  LeaseAttributes announce(const HostFacts& host, const Lease* previous) const override;
  Result<IpAddress> carrier(const Lease& peer, Family family,
                            const HostFacts& host) const override {
    return carrier_in_any(family, peer, host);
  }
  std::uint32_t overlay_mtu(const HostFacts& host) const override { return host.underlay.mtu; }
  NetState host_state(const Lease&, const HostFacts&) const override { return {}; }
  Result<NetState> peer_state(const Lease&, const Lease&, const HostFacts&,
                              const PeerPath&) const override {
    return NetState{};
  }
};

}  // namespace flannel
