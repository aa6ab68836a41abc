// SPDX-License-Identifier: Apache-2.0
#include "core/nested_peers.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace flannel {

bool NestedPeers::in_network(const IpAddress& ip) const {
  return std::ranges::any_of(networks_,
                             [&](const IpPrefix& network) { return network.contains(ip); });
}

// Ages are those of the feed that reported both peers last.
bool NestedPeers::is_older(const Peers::value_type& one, const Peers::value_type& other) const {
  return std::tie(one.second.created, one.first) < std::tie(other.second.created, other.first);
}

// The peer that has a subnet around `ip`; nullptr: none.
const NestedPeers::Peers::value_type* NestedPeers::around(const IpAddress& ip) const {
  if (!in_network(ip)) return nullptr;
  const auto [first, last] = ranges_.overlapping(IpPrefix{ip, address_bits(ip.family)});
  return first == last ? nullptr : &*peers_.find(first->second.identity());
}

// The peers that have a public IP in `subnet`.
std::vector<NestedPeers::Peers::const_iterator> NestedPeers::inside(const IpPrefix& subnet) const {
  std::vector<Peers::const_iterator> found;
  for (auto at = by_public_ip_.lower_bound({subnet.base, IpPrefix{}});
       at != by_public_ip_.end() && subnet.contains(at->first); ++at) {
    found.push_back(peers_.find(at->second));
  }
  return found;
}

std::vector<IpPrefix> NestedPeers::concerned_by(const Peer& peer) const {
  std::vector<IpPrefix> concerned;
  const PublicIps public_ips = peer.lease->attributes.public_ips();
  for (const Family family : kFamilies) {
    if (const auto& subnet = peer.lease->subnet.at(family)) {
      for (const auto& nested : inside(*subnet))
        concerned.push_back(nested->first);
    }
    const auto& ip = public_ips.at(family);
    const auto* other = ip ? around(*ip) : nullptr;
    if (other != nullptr) concerned.push_back(other->first);
  }
  return concerned;
}

void NestedPeers::add_public_ips(const Lease& lease) {
  for (const IpAddress& ip : values_of(lease.attributes.public_ips())) {
    if (in_network(ip)) by_public_ip_.emplace(ip, lease.subnet.identity());
  }
}

void NestedPeers::set_networks(std::vector<IpPrefix> networks) {
  networks_ = std::move(networks);
  by_public_ip_.clear();
  for (const auto& [name, peer] : peers_)
    add_public_ips(*peer.lease);
}

std::vector<IpPrefix> NestedPeers::put(const Shared<Lease>& lease, Revision created) {
  const IpPrefix& name = lease->subnet.identity();
  std::vector<IpPrefix> concerned = remove(name);
  const Peer peer{lease, created};
  peers_.emplace(name, peer);
  ranges_.add(lease->subnet);
  add_public_ips(*lease);
  const auto more = concerned_by(peer);
  concerned.insert(concerned.end(), more.begin(), more.end());
  return concerned;
}

std::vector<IpPrefix> NestedPeers::remove(const IpPrefix& peer) {
  std::vector<IpPrefix> concerned{peer};
  const auto known = peers_.find(peer);
  if (known == peers_.end()) return concerned;
  const auto more = concerned_by(known->second);
  concerned.insert(concerned.end(), more.begin(), more.end());
  const Lease& lease = *known->second.lease;
  for (const IpAddress& ip : values_of(lease.attributes.public_ips()))
    by_public_ip_.erase({ip, peer});
  ranges_.remove(lease.subnet);
  peers_.erase(known);
  return concerned;
}

std::optional<std::string> NestedPeers::find_trouble(const IpPrefix& peer) const {
  const auto self = peers_.find(peer);
  if (self == peers_.end()) return std::nullopt;
  for (const Family family : kFamilies) {
    if (auto trouble = find_trouble_of(*self, family)) return trouble;
  }
  return std::nullopt;
}

std::optional<std::string> NestedPeers::find_trouble_of(const Peers::value_type& self,
                                                        Family family) const {
  const auto ip = self.second.lease->attributes.public_ips().at(family);
  const auto* other = ip ? around(*ip) : nullptr;
  if (other != nullptr && is_older(*other, self)) {
    return fmt::format(
        "its PublicIP {} lies in the older subnet {} of {}: what carries packets to it would leave "
        "by our own device",
        to_string(*ip), to_string(other->second.lease->subnet),
        to_string(other->second.lease->attributes.public_ips()));
  }
  const auto& subnet = self.second.lease->subnet.at(family);
  if (!subnet) return std::nullopt;
  for (const auto& nested : inside(*subnet)) {
    if (!is_older(*nested, self)) continue;
    return fmt::format(
        "its subnet contains {}, the PublicIP of the older {}: what carries packets to that would "
        "leave by our own device",
        to_string(*nested->second.lease->attributes.public_ips().at(family)),
        to_string(nested->second.lease->subnet));
  }
  return std::nullopt;
}

}  // namespace flannel
