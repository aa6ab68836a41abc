// SPDX-License-Identifier: Apache-2.0
#include "backend/host_gw.h"

#include <fmt/format.h>

#include "backend/peer_rules.h"
#include "core/go_json.h"

namespace flannel {

Result<MadeBackend> HostGwBackend::make(std::string_view options_json, const Underlay& underlay) {
  auto json = TRY(JsonObject::parse(options_json, "the host-gw backend's options"));
  TRY(json.string("Type"));
  if (underlay.v4->public_ip != underlay.v4->ip) {
    return fail(ErrorKind::invalid,
                fmt::format("your PublicIP differs from interface IP ({} and {}), meaning that "
                            "probably you're on a NAT, which is not supported by host-gw backend",
                            to_string(underlay.v4->public_ip), to_string(underlay.v4->ip)));
  }
  MadeBackend made;
  append_unknown_options(json, made.warnings);
  made.backend = std::make_unique<HostGwBackend>();
  return made;
}

LeaseAttributes HostGwBackend::announce(const HostFacts& host, const Lease*) const {
  LeaseAttributes attributes;
  attributes.public_ip = host.underlay.v4->public_ip;
  attributes.backend_type = kType;
  return attributes;
}

Result<NetState> HostGwBackend::peer_state(const Lease& own, const Lease& peer,
                                           const HostFacts& host, const PeerFacts& facts) const {
  TRY(check_peer(own, peer, host, kType));
  if (facts.off_link) {
    return fail(ErrorKind::unsupported,
                fmt::format("{} is not on the link of {}, so host-gw cannot reach it; vxlan could",
                            to_string(peer.attributes.public_ip), host.underlay.interface));
  }
  NetState state;
  state.routes.push_back(
      {.to = peer.subnet.v4, .via = peer.attributes.public_ip, .link = host.underlay.interface});
  return state;
}

}  // namespace flannel
