// SPDX-License-Identifier: Apache-2.0
#include "backend/ipip.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/peer_rules.h"
#include "core/go_json.h"
#include "plan/ipip_device.h"

namespace flannel {
namespace {

Result<IpipOptions> read_ipip_options(JsonObject& json) {
  IpipOptions options;
  TRY(json.string("Type"));
  options.direct_routing = TRY(json.boolean("DirectRouting")).value_or(false);
  options.base_mtu = TRY(read_base_mtu(json, kIpipOverhead));
  return options;
}

// An IPIP device carries IPv4 in IPv4 alone.
Result<void> check_families(const NetworkConfig& config, const Underlay& underlay) {
  if (config.v6) {
    return fail(ErrorKind::unsupported,
                "ipip carries IPv4 only, in this release as in upstream flannel: set EnableIPv6 to "
                "false, or use vxlan, host-gw or udp");
  }
  if (!underlay.v4) {
    return fail(ErrorKind::unsupported,
                fmt::format("ipip needs an IPv4 address on the underlay, and {} has none: use "
                            "vxlan, host-gw or udp",
                            underlay.interface));
  }
  return {};
}

}  // namespace

Result<MadeBackend> IpipBackend::make(const NetworkConfig& config, const Underlay& underlay) {
  auto json = TRY(JsonObject::parse(config.backend_options, "the ipip backend's options"));
  const IpipOptions options = TRY(read_ipip_options(json));
  TRY(check_families(config, underlay));
  TRY(check_underlay_mtu(kType, kIpipOverhead, Family::v4, underlay));
  MadeBackend made;
  if (options.base_mtu && *options.base_mtu > underlay.mtu) {
    made.warnings.push_back(fmt::format("MTU {} is more than {} has; {} is used", *options.base_mtu,
                                        underlay.interface, underlay.mtu));
  }
  append_unknown_options(json, made.warnings);
  made.options = fmt::format("IPIP config: DirectRouting={}", options.direct_routing);
  made.backend = std::make_unique<IpipBackend>(options);
  return made;
}

LeaseAttributes IpipBackend::announce(const HostFacts& host, const Lease*) const {
  auto attributes = LeaseAttributes::of_host(public_ips_of(host.underlay));
  attributes.backend_type = kType;
  attributes.backend = announced();
  attributes.mtu = announced_mtu(overlay_mtu(host));
  return attributes;
}

std::uint32_t IpipBackend::overlay_mtu(const HostFacts& host) const {
  return std::min(options_.base_mtu.value_or(host.underlay.mtu), host.underlay.mtu) - kIpipOverhead;
}

std::vector<BackendDevice> IpipBackend::devices(const HostFacts&) const {
  return {{std::string(kIpipDevice), Family::v4}};
}

NetState IpipBackend::host_state(const Lease& own, const HostFacts& host) const {
  NetState state;
  // The network has changed to one without IPv4, and this is a dataplane of the former one.
  if (!host.underlay.v4) return state;
  // Behind NAT this host lacks the public IP, so the outer source is the interface's address.
  state.links.push_back({.name = std::string(kIpipDevice),
                         .kind = IpipSettings{.local = host.underlay.v4->ip},
                         .mtu = overlay_mtu(host),
                         .up = true});
  if (own.subnet.v4) {
    state.addresses.push_back({.link = std::string(kIpipDevice), .ip = own.subnet.v4->base});
  }
  return state;
}

Result<NetState> IpipBackend::peer_state(const Lease& own, const Lease& peer, const HostFacts& host,
                                         const PeerPath& path) const {
  TRY(check_peer(own, peer, host, path, kType));
  const bool is_direct = options_.direct_routing && path.on_link;
  NetState state;
  state.routes.push_back({.to = *peer.subnet.at(path.family),
                          .via = path.carrier,
                          .link = is_direct ? host.underlay.interface : std::string(kIpipDevice),
                          .onlink = !is_direct,
                          .mtu = route_mtu(peer, path.family, overlay_mtu(host))});
  return state;
}

}  // namespace flannel
