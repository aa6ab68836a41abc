// SPDX-License-Identifier: Apache-2.0
#include "core/nested_peers.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "core/lease_ranges.h"

namespace flannel {

bool NestedPeers::in_network(const IpAddress& ip) const {
  return std::ranges::any_of(networks_,
                             [&](const IpPrefix& network) { return network.contains(ip); });
}

// Ages are those of the feed that reported both peers last.
bool NestedPeers::is_older(const Peer& one, const Peer& other) const {
  return std::tie(one.created, one.name()) < std::tie(other.created, other.name());
}

// The peer of this name; nullptr: none.
const NestedPeers::Peer* NestedPeers::find(const IpPrefix& name) const {
  const auto found = peers_.find(name);
  const bool there = found != peers_.end() && found->second.name() == name;
  return there ? &found->second : nullptr;
}

const Shared<Lease>* NestedPeers::find_lease(const IpPrefix& peer) const {
  const Peer* found = find(peer);
  return found == nullptr ? nullptr : &found->lease;
}

std::vector<Shared<Lease>> NestedPeers::leases() const {
  std::vector<Shared<Lease>> all;
  all.reserve(peers_.size());
  for (const auto& [subnet, peer] : peers_) {
    if (subnet == peer.name()) all.push_back(peer.lease);
  }
  return all;
}

// The peer that has a subnet around `ip`; nullptr: none.
const NestedPeers::Peer* NestedPeers::around(const IpAddress& ip) const {
  if (!in_network(ip)) return nullptr;
  const auto [first, last] = entries_overlapping(peers_, IpPrefix{ip, address_bits(ip.family)});
  return first == last ? nullptr : &first->second;
}

// The peers that have a public IP in `subnet`.
std::vector<const NestedPeers::Peer*> NestedPeers::inside(const IpPrefix& subnet) const {
  std::vector<const Peer*> found;
  for (auto at = by_public_ip_.lower_bound({subnet.base, IpPrefix{}});
       at != by_public_ip_.end() && subnet.contains(at->first); ++at) {
    found.push_back(find(at->second));
  }
  return found;
}

std::vector<IpPrefix> NestedPeers::concerned_by(const Peer& peer) const {
  std::vector<IpPrefix> concerned;
  const PublicIps public_ips = peer.lease->attributes.public_ips();
  for (const Family family : kFamilies) {
    if (const auto& subnet = peer.lease->subnet.at(family)) {
      for (const Peer* nested : inside(*subnet))
        concerned.push_back(nested->name());
    }
    const auto& ip = public_ips.at(family);
    const Peer* other = ip ? around(*ip) : nullptr;
    if (other != nullptr) concerned.push_back(other->name());
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
  for (const auto& [subnet, peer] : peers_)
    add_public_ips(*peer.lease);
}

std::vector<IpPrefix> NestedPeers::put(const Shared<Lease>& lease, Revision created) {
  const IpPrefix& name = lease->subnet.identity();
  std::vector<IpPrefix> concerned = remove(name);
  const Peer peer{lease, created};
  for (const IpPrefix& subnet : values_of(lease->subnet))
    peers_.emplace(subnet, peer);
  add_public_ips(*lease);
  const auto more = concerned_by(peer);
  concerned.insert(concerned.end(), more.begin(), more.end());
  return concerned;
}

std::vector<IpPrefix> NestedPeers::remove(const IpPrefix& peer) {
  std::vector<IpPrefix> concerned{peer};
  const Peer* known = find(peer);
  if (known == nullptr) return concerned;
  const auto more = concerned_by(*known);
  concerned.insert(concerned.end(), more.begin(), more.end());
  const Shared<Lease> lease = known->lease;
  for (const IpAddress& ip : values_of(lease->attributes.public_ips()))
    by_public_ip_.erase({ip, peer});
  for (const IpPrefix& subnet : values_of(lease->subnet))
    peers_.erase(subnet);
  return concerned;
}

std::optional<std::string> NestedPeers::find_trouble(const IpPrefix& peer) const {
  const Peer* self = find(peer);
  if (self == nullptr) return std::nullopt;
  for (const Family family : kFamilies) {
    if (auto trouble = find_trouble_of(*self, family)) return trouble;
  }
  return std::nullopt;
}

std::optional<std::string> NestedPeers::find_trouble_of(const Peer& self, Family family) const {
  const auto ip = self.lease->attributes.public_ips().at(family);
  const Peer* other = ip ? around(*ip) : nullptr;
  if (other != nullptr && is_older(*other, self)) {
    return fmt::format(
        "its PublicIP {} lies in the older subnet {} of {}: what carries packets to it would leave "
        "by our own device",
        to_string(*ip), to_string(other->lease->subnet),
        to_string(other->lease->attributes.public_ips()));
  }
  const auto& subnet = self.lease->subnet.at(family);
  if (!subnet) return std::nullopt;
  for (const Peer* nested : inside(*subnet)) {
    if (!is_older(*nested, self)) continue;
    return fmt::format(
        "its subnet contains {}, the PublicIP of the older {}: what carries packets to that would "
        "leave by our own device",
        to_string(*nested->lease->attributes.public_ips().at(family)),
        to_string(nested->lease->subnet));
  }
  return std::nullopt;
}

}  // namespace flannel
