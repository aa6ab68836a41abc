// SPDX-License-Identifier: Apache-2.0
#include "backend/host_gw.h"

#include <fmt/format.h>

#include "backend/peer_rules.h"
#include "core/go_json.h"

namespace flannel {

Result<MadeBackend> HostGwBackend::make(std::string_view options_json, const Underlay& underlay) {
  auto json = TRY(JsonObject::parse(options_json, "the host-gw backend's options"));
  TRY(json.string("Type"));
  for (const UnderlayAddress& at : values_of(underlay)) {
    if (!at.is_behind_nat()) continue;
    return fail(ErrorKind::invalid,
                fmt::format("your PublicIP differs from interface IP ({} and {}), meaning that "
                            "probably you're on a NAT, which is not supported by host-gw backend",
                            to_string(at.public_ip), to_string(at.ip)));
  }
  MadeBackend made;
  append_unknown_options(json, made.warnings);
  made.backend = std::make_unique<HostGwBackend>();
  return made;
}

LeaseAttributes HostGwBackend::announce(const HostFacts& host, const Lease*) const {
  LeaseAttributes attributes = LeaseAttributes::of_host(public_ips_of(host.underlay));
  attributes.backend_type = kType;
  attributes.backend = announced();
  attributes.mtu = announced_mtu(overlay_mtu(host));
  return attributes;
}

// Linux routes IPv4 by an IPv6 gateway (RFC 5549), but not IPv6 by an IPv4 one.
Result<IpAddress> HostGwBackend::carrier(const Lease& peer, Family family,
                                         const HostFacts& host) const {
  if (family == Family::v4) return carrier_in_any(family, peer, host);
  return carrier_in(family, peer, host);
}

Result<NetState> HostGwBackend::peer_state(const Lease& own, const Lease& peer,
                                           const HostFacts& host, const PeerPath& path) const {
  TRY(check_peer(own, peer, host, path, kType));
  if (path.off_link) {
    return fail(ErrorKind::unsupported,
                fmt::format("{} is not on the link of {}, so host-gw cannot reach it; vxlan could",
                            to_string(path.carrier), host.underlay.interface));
  }
  NetState state;
  state.routes.push_back({.to = *peer.subnet.at(path.family),
                          .via = path.carrier,
                          .link = host.underlay.interface,
                          .mtu = route_mtu(peer, path.family, overlay_mtu(host))});
  return state;
}

}  // namespace flannel
