// SPDX-License-Identifier: Apache-2.0
#include "backend/ipsec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "backend/peer_rules.h"
#include "core/go_json.h"

namespace flannel {
namespace {

using Action = IpsecPolicy::Action;
using Direction = IpsecPolicy::Direction;

constexpr std::size_t kShortestPsk = 96;   // upstream's
constexpr std::size_t kLongestPsk = 4096;  // a value of VICI has at most 65535 bytes
constexpr std::string_view kDefaultProposal = "aes128gcm16-sha256-prfsha256-ecp256";
constexpr std::size_t kLongestProposal = 256;
constexpr std::uint16_t kUdpEncapPort = 4500;  // RFC 3948

// The text of the secret is in no message.
Result<std::string> read_psk(JsonObject& json) {
  constexpr const char* kWhat = "PSK in the ipsec backend's options";
  const auto text = json.string("PSK");
  if (!text) return fail(ErrorKind::invalid, fmt::format("{}: must be a string", kWhat));
  std::string psk = text->value_or("");
  if (psk.size() < kShortestPsk || psk.size() > kLongestPsk) {
    return fail(
        ErrorKind::invalid,
        fmt::format("{}: must have {} to {} characters, and has {}: make one with \"openssl "
                    "rand -hex 48\"",
                    kWhat, kShortestPsk, kLongestPsk, psk.size()));
  }
  return psk;
}

// ESP without encryption would carry packets in clear.
Result<std::string> read_proposal(JsonObject& json) {
  std::string proposal = TRY(json.string("ESPProposal")).value_or(std::string(kDefaultProposal));
  const bool is_word =
      !proposal.empty() && proposal.size() <= kLongestProposal &&
      std::ranges::all_of(proposal, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
      });
  if (!is_word) {
    return json.refuse(
        "ESPProposal",
        fmt::format("must be one proposal as strongSwan writes it, such as {}", kDefaultProposal));
  }
  // RFC 2410, and RFC 4543, which strongSwan writes aes128gmac.
  for (const std::string_view word : {"null", "gmac"}) {
    if (proposal.find(word) == proposal.npos) continue;
    return json.refuse("ESPProposal", fmt::format("must encrypt: {} does not", word));
  }
  return proposal;
}

Result<IpsecSettings> read_ipsec_options(JsonObject& json) {
  TRY(json.string("Type"));
  IpsecSettings settings;
  settings.udp = TRY(json.boolean("UDPEncap")).value_or(false);
  settings.proposal = TRY(read_proposal(json));
  settings.psk = TRY(read_psk(json));
  return settings;
}

std::uint32_t overhead_of(const IpsecSettings& settings) {
  return kIpsecOverhead + (settings.udp ? kUdpEncapOverhead : 0);
}

Result<void> check_underlay(const NetworkConfig& config, const Underlay& underlay) {
  if (config.v6) {
    return fail(
        ErrorKind::unsupported,
        "ipsec carries IPv4 only, in this release as in upstream flannel: set EnableIPv6 to "
        "false, or use wireguard");
  }
  if (!underlay.v4) {
    return fail(ErrorKind::unsupported,
                fmt::format("ipsec needs an IPv4 address on the underlay, and {} has none: use "
                            "wireguard",
                            underlay.interface));
  }
  if (!underlay.v4->is_behind_nat()) return {};
  return fail(ErrorKind::unsupported,
              fmt::format("ipsec needs the public IP {} on {}, which has {}: behind a NAT, use "
                          "wireguard",
                          to_string(underlay.v4->public_ip), underlay.interface,
                          to_string(underlay.v4->ip)));
}

IpPrefix all_addresses(Family family) {
  return IpPrefix::of(IpAddress::unspecified(family), 0);
}

void add_policy(NetState& state, Direction direction, const IpPrefix& from, const IpPrefix& to,
                Action action) {
  state.policies.emplace_back(
      IpsecPolicy{.direction = direction, .from = from, .to = to, .action = action});
}

void add_arrivals(NetState& state, const IpPrefix& from, const IpPrefix& to, Action action) {
  add_policy(state, Direction::in, from, to, action);
  add_policy(state, Direction::forward, from, to, action);
}

}  // namespace

Result<MadeBackend> IpsecBackend::make(const NetworkConfig& config, const Underlay& underlay) {
  auto json = TRY(JsonObject::parse(config.backend_options, "the ipsec backend's options"));
  const IpsecSettings settings = TRY(read_ipsec_options(json));
  TRY(check_underlay(config, underlay));
  TRY(check_underlay_mtu(kType, overhead_of(settings), Family::v4, underlay));
  MadeBackend made;
  append_unknown_options(json, made.warnings);
  made.options = fmt::format("IPSec config: UDPEncap={} ESPProposal={} PSK=(hidden)", settings.udp,
                             settings.proposal);
  made.backend = std::make_unique<IpsecBackend>(settings, config.networks());
  return made;
}

LeaseAttributes IpsecBackend::announce(const HostFacts& host, const Lease*) const {
  auto attributes = LeaseAttributes::of_host(public_ips_of(host.underlay));
  attributes.backend_type = kType;
  attributes.backend = announced();
  attributes.mtu = announced_mtu(overlay_mtu(host));
  return attributes;
}

std::uint32_t IpsecBackend::overlay_mtu(const HostFacts& host) const {
  return host.underlay.mtu - overhead_of(settings_);
}

std::uint16_t IpsecBackend::tunnel_port(const Lease&, const IpAddress&) const {
  return settings_.udp ? kUdpEncapPort : 0;
}

// Where the network overlaps addresses that this host uses, those must stay in reach: then only
// the subnets of peers are blocked, by peer_state().
NetState IpsecBackend::host_state(const Lease& own, const HostFacts& host) const {
  NetState state;
  if (host.route_each_peer) return state;
  for (const IpPrefix& network : networks_) {
    const auto& subnet = own.subnet.at(network.family());
    if (!subnet) continue;
    const IpPrefix any = all_addresses(network.family());
    add_policy(state, Direction::out, any, *subnet, Action::pass);
    add_policy(state, Direction::out, any, network, Action::block);
    add_arrivals(state, *subnet, *subnet, Action::pass);
    add_arrivals(state, network, *subnet, Action::block);
  }
  return state;
}

NetState IpsecBackend::pass_state(const Lease& own, const IpPrefix& subnet,
                                  const HostFacts& host) const {
  NetState state;
  const auto& ours = own.subnet.at(subnet.family());
  if (!ours || host.route_each_peer) return state;
  add_policy(state, Direction::out, all_addresses(subnet.family()), subnet, Action::pass);
  add_arrivals(state, subnet, *ours, Action::pass);
  return state;
}

Result<NetState> IpsecBackend::peer_state(const Lease& own, const Lease& peer,
                                          const HostFacts& host, const PeerPath& path) const {
  TRY(check_peer(own, peer, host, path, kType));
  const IpPrefix& ours = *own.subnet.at(path.family);
  const IpPrefix& theirs = *peer.subnet.at(path.family);
  const IpAddress& local = host.underlay.at(path.carrier.family)->public_ip;
  NetState state;
  const auto tunnel = [&state](Direction direction, const IpPrefix& from, const IpPrefix& to,
                               const IpAddress& outer_from, const IpAddress& outer_to) {
    state.policies.emplace_back(IpsecPolicy{.direction = direction,
                                            .from = from,
                                            .to = to,
                                            .action = Action::tunnel,
                                            .outer_from = outer_from,
                                            .outer_to = outer_to});
  };
  tunnel(Direction::out, ours, theirs, local, path.carrier);
  tunnel(Direction::in, theirs, ours, path.carrier, local);
  tunnel(Direction::forward, theirs, ours, path.carrier, local);
  if (host.route_each_peer) {
    add_policy(state, Direction::out, all_addresses(path.family), theirs, Action::block);
  }
  state.routes.push_back({.to = theirs,
                          .via = path.carrier,
                          .link = host.underlay.interface,
                          .onlink = true,
                          .mtu = route_mtu(peer, path.family, overlay_mtu(host))});
  return state;
}

}  // namespace flannel
