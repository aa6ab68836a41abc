// SPDX-License-Identifier: Apache-2.0
#include "core/vtep_owners.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "core/go_json.h"

namespace flannel {
namespace {

// nullopt for invalid data and for a MAC that no host can have: the backend refuses these.
std::optional<Mac> mac_in(const std::string& backend_data) {
  if (backend_data.empty()) return std::nullopt;
  auto json = JsonObject::parse(backend_data, "BackendData");
  if (!json) return std::nullopt;
  const auto mac = json->parsed<Mac>("VtepMAC");
  if (!mac || !*mac || (*mac)->is_zero() || (*mac)->is_multicast()) return std::nullopt;
  return *mac;
}

// All hosts compute the same number, so they agree on the owner of a MAC. It is the FNV-1a hash of
// the backend type, with the family in the lowest bit.
Vtep vtep_of(const Mac& mac, Family family, std::string_view backend_type) {
  std::uint32_t hash = 2166136261;
  for (const char c : backend_type)
    hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619;
  const auto number = static_cast<std::uint16_t>((hash >> 16) ^ hash);
  return {mac, static_cast<std::uint16_t>((number & ~1U) | (family == Family::v6 ? 1U : 0U))};
}

}  // namespace

AnnouncedVteps announced_vteps(const LeaseAttributes& lease) {
  AnnouncedVteps vteps;
  if (const auto mac = mac_in(lease.backend_data)) {
    vteps.v4 = {vtep_of(*mac, Family::v4, lease.backend_type), lease.public_ip};
  }
  if (const auto mac = mac_in(lease.backend_v6_data)) {
    vteps.v6 = {vtep_of(*mac, Family::v6, lease.backend_type),
                lease.public_ip6.value_or(IpAddress::unspecified(Family::v6))};
  }
  return vteps;
}

bool share_a_vtep(const AnnouncedVteps& one, const AnnouncedVteps& other) {
  return std::ranges::any_of(kFamilies, [&](Family family) {
    const auto& mine = one.at(family);
    const auto& theirs = other.at(family);
    return mine && theirs && mine->vtep == theirs->vtep;
  });
}

void VtepOwners::clear() {
  leases_.clear();
  claims_.clear();
  touched_.clear();
}

VtepOwners::Oldest VtepOwners::oldest_of(const Vtep& vtep) const {
  Oldest oldest;
  for (auto claim = claims_.lower_bound({vtep, LeaseAge{}});
       claim != claims_.end() && claim->first == vtep && oldest.subnets.size() < kMostOfOneMac;
       ++claim) {
    oldest.subnets.push_back(claim->second.subnet);
  }
  if (!oldest.subnets.empty()) {
    // The last bit of the device is the family.
    const Family family = (vtep.device & 1U) != 0 ? Family::v6 : Family::v4;
    oldest.ip = leases_.at(oldest.subnets.front()).vteps.at(family)->ip;
  }
  return oldest;
}

void VtepOwners::touch(const Vtep& vtep) {
  if (!touched_.contains(vtep)) touched_.emplace(vtep, oldest_of(vtep));
}

void VtepOwners::add(const ListedLease& lease) {
  const SubnetKey& subnet = lease.lease->subnet;
  const Announced announced{lease.created, announced_vteps(lease.lease->attributes)};
  if (!announced.vteps.v4 && !announced.vteps.v6) return;
  for (const auto& vtep : {announced.vteps.v4, announced.vteps.v6}) {
    if (!vtep) continue;
    touch(vtep->vtep);
    claims_.insert({vtep->vtep, lease.age()});
  }
  leases_.insert_or_assign(subnet, announced);
}

void VtepOwners::remove(const SubnetKey& subnet) {
  const auto lease = leases_.find(subnet);
  if (lease == leases_.end()) return;
  for (const auto& vtep : {lease->second.vteps.v4, lease->second.vteps.v6}) {
    if (!vtep) continue;
    touch(vtep->vtep);
    claims_.erase({vtep->vtep, {lease->second.created, subnet}});
  }
  leases_.erase(lease);
}

std::set<SubnetKey> VtepOwners::take_affected() {
  std::set<SubnetKey> affected;
  for (const auto& [vtep, before] : std::exchange(touched_, {})) {
    const Oldest now = oldest_of(vtep);
    if (now == before) continue;
    affected.insert(now.subnets.begin(), now.subnets.end());
    for (const SubnetKey& subnet : before.subnets) {
      if (leases_.contains(subnet)) affected.insert(subnet);
    }
  }
  return affected;
}

std::optional<VtepOwners::Conflict> VtepOwners::conflict(const SubnetKey& subnet) const {
  const auto lease = leases_.find(subnet);
  if (lease == leases_.end()) return std::nullopt;
  for (const auto& vtep : {lease->second.vteps.v4, lease->second.vteps.v6}) {
    if (!vtep) continue;
    const Oldest oldest = oldest_of(vtep->vtep);
    const auto& some = oldest.subnets;
    const bool is_crowded = std::find(some.begin(), some.end(), subnet) == some.end();
    if (!is_crowded && oldest.ip == vtep->ip) continue;
    return Conflict{vtep->vtep.mac, some.front(), oldest.ip, is_crowded};
  }
  return std::nullopt;
}

std::vector<SubnetKey> VtepOwners::owned_by_others(const AnnouncedVteps& vteps) const {
  std::vector<SubnetKey> found;
  for (const auto& vtep : {vteps.v4, vteps.v6}) {
    if (!vtep) continue;
    const Oldest oldest = oldest_of(vtep->vtep);
    if (oldest.ip == vtep->ip) continue;
    for (const SubnetKey& subnet : oldest.subnets) {
      if (!conflict(subnet)) found.push_back(subnet);
    }
  }
  return found;
}

}  // namespace flannel
