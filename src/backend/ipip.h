// SPDX-License-Identifier: Apache-2.0
// ipip: one device, flannel.ipip, that puts an IPv4 packet into another one (RFC 2003). It has no
// remote address: each peer's subnet has an onlink route by it whose gateway is the peer's public
// IP, and the kernel sends the outer packet there. IPv4 only, as in upstream.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "backend/backend.h"

namespace flannel {

inline constexpr std::uint32_t kIpipOverhead = 20;  // bytes, the outer IPv4 header

struct IpipOptions {
  bool direct_routing = false;            // peers on the underlay's link get a plain route
  std::optional<std::uint32_t> base_mtu;  // "MTU": replaces the underlay interface's; ours alone

  bool operator==(const IpipOptions&) const = default;
};

class IpipBackend final : public Backend {
 public:
  static constexpr std::string_view kType = "ipip";
  // Parses the Backend object. ErrorKind::unsupported: the network has IPv6.
  static Result<MadeBackend> make(const NetworkConfig& config, const Underlay& underlay);

  explicit IpipBackend(IpipOptions options) : options_(options) {}

  bool wants_on_link() const override { return options_.direct_routing; }
  AnnouncedBackend announced() const override { return {.type = std::string(kType)}; }
  LeaseAttributes announce(const HostFacts& host, const Lease* previous) const override;
  std::uint32_t overlay_mtu(const HostFacts& host) const override;
  std::vector<BackendDevice> devices(const HostFacts& host) const override;
  NetState host_state(const Lease& own, const HostFacts& host) const override;
  Result<NetState> peer_state(const Lease& own, const Lease& peer, const HostFacts& host,
                              const PeerPath& path) const override;

 private:
  IpipOptions options_;
};

}  // namespace flannel
