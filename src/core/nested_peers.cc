// SPDX-License-Identifier: Apache-2.0
#include "core/nested_peers.h"

#include <fmt/format.h>

#include <tuple>

namespace flannel {

// Ages are those of the feed that reported both peers last.
bool NestedPeers::is_older(const Peers::value_type& one, const Peers::value_type& other) const {
  return std::tie(one.second.created, one.first) < std::tie(other.second.created, other.first);
}

// The peer whose subnet contains `ip`; nullptr: none.
const NestedPeers::Peers::value_type* NestedPeers::around(IpAddress ip) const {
  auto at = peers_.upper_bound({ip, 33});
  if (at == peers_.begin()) return nullptr;
  --at;
  return at->first.contains(ip) ? &*at : nullptr;
}

// The peers whose public IP is in `subnet`.
std::vector<IpPrefix> NestedPeers::inside(const IpPrefix& subnet) const {
  std::vector<IpPrefix> found;
  for (auto at = by_public_ip_.lower_bound({subnet.base, IpPrefix{}});
       at != by_public_ip_.end() && subnet.contains(at->first); ++at) {
    found.push_back(at->second);
  }
  return found;
}

std::vector<IpPrefix> NestedPeers::concerned_by(const IpPrefix& subnet, IpAddress public_ip) const {
  std::vector<IpPrefix> concerned = inside(subnet);
  if (const auto* other = around(public_ip)) concerned.push_back(other->first);
  return concerned;
}

std::vector<IpPrefix> NestedPeers::put(const IpPrefix& subnet, IpAddress public_ip,
                                       Revision created) {
  std::vector<IpPrefix> concerned = remove(subnet);
  peers_[subnet] = {public_ip, created};
  by_public_ip_.emplace(public_ip, subnet);
  const auto more = concerned_by(subnet, public_ip);
  concerned.insert(concerned.end(), more.begin(), more.end());
  return concerned;
}

std::vector<IpPrefix> NestedPeers::remove(const IpPrefix& subnet) {
  std::vector<IpPrefix> concerned{subnet};
  const auto known = peers_.find(subnet);
  if (known == peers_.end()) return concerned;
  const IpAddress public_ip = known->second.public_ip;
  const auto more = concerned_by(subnet, public_ip);
  concerned.insert(concerned.end(), more.begin(), more.end());
  by_public_ip_.erase({public_ip, subnet});
  peers_.erase(known);
  return concerned;
}

std::optional<std::string> NestedPeers::find_trouble(const IpPrefix& subnet) const {
  const auto self = peers_.find(subnet);
  if (self == peers_.end()) return std::nullopt;
  const auto* other = around(self->second.public_ip);
  if (other != nullptr && is_older(*other, *self)) {
    return fmt::format(
        "its PublicIP {} lies in the older subnet {} of {}: what carries packets to it would leave "
        "by our own device",
        to_string(self->second.public_ip), to_string(other->first),
        to_string(other->second.public_ip));
  }
  for (const IpPrefix& nested : inside(subnet)) {
    const auto owner = peers_.find(nested);
    if (!is_older(*owner, *self)) continue;
    return fmt::format(
        "its subnet contains {}, the PublicIP of the older {}: what carries packets to that would "
        "leave by our own device",
        to_string(owner->second.public_ip), to_string(nested));
  }
  return std::nullopt;
}

}  // namespace flannel
