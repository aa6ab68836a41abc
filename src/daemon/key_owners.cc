// SPDX-License-Identifier: Apache-2.0
#include "daemon/key_owners.h"

#include <algorithm>
#include <tuple>

#include "backend/wireguard.h"

namespace flannel {

std::vector<IpPrefix> KeyOwners::put(const Shared<Lease>& lease, Revision created) {
  const IpPrefix& name = lease->subnet.identity();
  std::vector<IpPrefix> concerned = remove(name);
  const auto key = announced_wireguard_key(lease->attributes);
  if (!key) return concerned;
  auto& owners = owners_[*key];
  for (const auto& [other, owner] : owners)
    concerned.push_back(other);
  owners.insert_or_assign(name, Owner{lease, created});
  keys_.insert_or_assign(name, *key);
  return concerned;
}

std::vector<IpPrefix> KeyOwners::remove(const IpPrefix& name) {
  std::vector<IpPrefix> concerned;
  const auto known = keys_.find(name);
  if (known == keys_.end()) return concerned;
  const auto owners = owners_.find(known->second);
  keys_.erase(known);
  owners->second.erase(name);
  for (const auto& [other, owner] : owners->second)
    concerned.push_back(other);
  if (owners->second.empty()) owners_.erase(owners);
  return concerned;
}

const Lease* KeyOwners::newer_than(const IpPrefix& name) const {
  const auto known = keys_.find(name);
  if (known == keys_.end()) return nullptr;
  const auto& owners = owners_.at(known->second);
  const auto newest = std::ranges::max_element(
      owners, {}, [](const auto& entry) { return std::tie(entry.second.created, entry.first); });
  return newest->first == name ? nullptr : &*newest->second.lease;
}

std::vector<Shared<Lease>> KeyOwners::with(const WireguardKey& key) const {
  std::vector<Shared<Lease>> leases;
  const auto owners = owners_.find(key);
  if (owners == owners_.end()) return leases;
  for (const auto& [name, owner] : owners->second)
    leases.push_back(owner.lease);
  return leases;
}

}  // namespace flannel
