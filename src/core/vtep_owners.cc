// SPDX-License-Identifier: Apache-2.0
#include "core/vtep_owners.h"

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

}  // namespace

void VtepOwners::clear() {
  leases_.clear();
  by_vtep_.clear();
  touched_.clear();
}

VtepOwners::First VtepOwners::first_of(const Vtep& vtep) const {
  const auto group = by_vtep_.find(vtep);
  if (group == by_vtep_.end()) return std::nullopt;
  const SubnetKey& subnet = group->second.begin()->second;
  return std::pair{subnet, leases_.at(subnet).public_ip};
}

void VtepOwners::add(const DecodedRecord& decoded) {
  const LeaseAttributes& attributes = decoded.lease.attributes;
  Announced announced{attributes.public_ip, {decoded.record.created, decoded.record.key}, {}};
  const std::string& type = attributes.backend_type;
  if (const auto mac = mac_in(attributes.backend_data))
    announced.vteps.push_back({*mac, false, type});
  if (const auto mac = mac_in(attributes.backend_v6_data))
    announced.vteps.push_back({*mac, true, type});
  if (announced.vteps.empty()) return;
  for (const Vtep& vtep : announced.vteps) {
    touched_.try_emplace(vtep, first_of(vtep));
    by_vtep_[vtep].emplace(announced.age, decoded.lease.subnet);
  }
  leases_.insert_or_assign(decoded.lease.subnet, std::move(announced));
}

void VtepOwners::remove(const SubnetKey& subnet) {
  const auto lease = leases_.find(subnet);
  if (lease == leases_.end()) return;
  for (const Vtep& vtep : lease->second.vteps) {
    touched_.try_emplace(vtep, first_of(vtep));
    const auto group = by_vtep_.find(vtep);
    group->second.erase(lease->second.age);
    if (group->second.empty()) by_vtep_.erase(group);
  }
  leases_.erase(lease);
}

std::set<SubnetKey> VtepOwners::take_affected() {
  std::set<SubnetKey> affected;
  for (const auto& [vtep, before] : std::exchange(touched_, {})) {
    const auto group = by_vtep_.find(vtep);
    if (group == by_vtep_.end() || first_of(vtep) == before) continue;
    for (const auto& [age, subnet] : group->second)
      affected.insert(subnet);
  }
  return affected;
}

std::optional<VtepOwners::Conflict> VtepOwners::conflict(const SubnetKey& subnet) const {
  const auto lease = leases_.find(subnet);
  if (lease == leases_.end()) return std::nullopt;
  for (const Vtep& vtep : lease->second.vteps) {
    const auto [first, public_ip] = *first_of(vtep);
    if (public_ip != lease->second.public_ip) return Conflict{vtep.mac, first, public_ip};
  }
  return std::nullopt;
}

}  // namespace flannel
