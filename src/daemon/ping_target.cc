// SPDX-License-Identifier: Apache-2.0
#include "daemon/ping_target.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/printable.h"

namespace flannel {
namespace {

constexpr std::size_t kFewestDigits = 4;

std::vector<Lease> peers_of(const Network& network) {
  const HostIdentity us = network.identity();
  std::vector<Lease> peers;
  for (const auto& [subnet, listed] : network.peers().leases()) {
    if (!us.owns(listed.lease)) peers.push_back(listed.lease);
  }
  return peers;
}

PingTarget peer_target(const Network& network, const Lease& peer, const IpPrefix& subnet) {
  PingTarget target{.peer = peer, .subnet = subnet};
  target.no_way = network.overlay().unreachable().why(peer.subnet).value_or("");
  return target;
}

// The first subnet of the peer that this host probes, or else its first one.
IpPrefix best_subnet(const Network& network, const Lease& peer) {
  for (const IpPrefix& subnet : values_of(peer.subnet)) {
    if (network.prober().view(subnet)) return subnet;
  }
  return peer.subnet.identity();
}

// The target that is a container's address, or the first address of a subnet.
std::optional<PingTarget> find_by_address(const Network& network, const std::vector<Lease>& peers,
                                          const IpAddress& ip) {
  for (const Lease& peer : peers) {
    const auto& subnet = peer.subnet.at(ip.family);
    if (!subnet || !subnet->contains(ip)) continue;
    PingTarget target = peer_target(network, peer, *subnet);
    if (ip != subnet->base) target.container = ip;
    return target;
  }
  const auto& own = network.keeper().lease();
  if (own && own->subnet.at(ip.family) && own->subnet.at(ip.family)->contains(ip)) {
    return PingTarget{.subnet = own->subnet.at(ip.family), .container = ip, .is_own = true};
  }
  const auto& range = network.config().at(ip.family);
  if (range && range->network.contains(ip)) return PingTarget{.container = ip};
  return std::nullopt;
}

bool is_named(const Lease& peer, std::string_view text, const std::optional<IpAddress>& ip,
              const std::optional<IpPrefix>& subnet) {
  if (ip) return peer.attributes.public_ips().at(ip->family) == ip;
  if (subnet) return peer.subnet.at(subnet->family()) == subnet;
  return text.size() >= kFewestDigits && peer.attributes.node &&
         to_string(peer.attributes.node->id).starts_with(text);
}

template <typename Value>
std::optional<Value> value_of(Result<Value> result) {
  return result ? std::optional(*std::move(result)) : std::nullopt;
}

}  // namespace

Result<PingTarget> find_ping_target(const Network& network, std::string_view text) {
  const std::vector<Lease> peers = peers_of(network);
  const auto ip = value_of(IpAddress::parse(text));
  const auto subnet = ip ? std::nullopt : value_of(IpPrefix::parse(text));
  std::vector<Lease> found;
  std::ranges::copy_if(peers, std::back_inserter(found),
                       [&](const Lease& peer) { return is_named(peer, text, ip, subnet); });
  if (found.size() > 1) {
    return fail(ErrorKind::invalid, in_quotes(text) + " names several peers; a subnet names one");
  }
  if (!found.empty()) {
    return peer_target(network, found[0], subnet ? *subnet : best_subnet(network, found[0]));
  }
  if (ip) {
    if (auto target = find_by_address(network, peers, *ip)) return *std::move(target);
  }
  return fail(ErrorKind::not_found,
              in_quotes(text) +
                  " is neither a peer (node id, public IP, subnet) nor an address of the network");
}

}  // namespace flannel
