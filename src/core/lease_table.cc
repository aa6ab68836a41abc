// SPDX-License-Identifier: Apache-2.0
#include "core/lease_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "core/record_limits.h"

namespace flannel {
namespace {

// Leaves out the addresses that are not a host's, and the data that belongs to them. Returns why
// none remains; empty: one does. Peers send packets of both families to any that remains.
std::string leave_out_no_hosts(LeaseAttributes& attributes) {
  const PublicIps announced = attributes.public_ips();
  const IpAddress ip = attributes.public_ip;
  const auto ip6 = attributes.public_ip6;
  for (const Family family : kFamilies) {
    const auto& one = announced.at(family);
    if (one && can_be_a_host(*one)) continue;
    attributes.data(family).clear();
    if (family == Family::v4) attributes.public_ip = IpAddress();
    if (family == Family::v6) attributes.public_ip6.reset();
  }
  if (!attributes.public_ip.is_unspecified() || attributes.public_ip6) return {};
  if (!ip6) return fmt::format("PublicIP {} is not the address of a host", to_string(ip));
  return fmt::format("neither PublicIP {} nor PublicIPv6 {} is the address of a host",
                     to_string(ip), to_string(*ip6));
}

std::vector<PeerChange> downs_then_ups(std::vector<PeerChange> downs, std::vector<PeerChange> ups) {
  downs.insert(downs.end(), std::move_iterator(ups.begin()), std::move_iterator(ups.end()));
  return downs;
}

std::vector<PeerChange> difference(const ListedLeases& before, const ListedLeases& after) {
  std::vector<PeerChange> downs;
  std::vector<PeerChange> ups;
  for (const auto& [subnet, old] : before) {
    if (!after.contains(subnet)) downs.emplace_back(PeerDown{old.lease});
  }
  for (const auto& [subnet, now] : after) {
    const auto old = before.find(subnet);
    if (old == before.end()) {
      ups.emplace_back(PeerUp{now.lease, {}, now.created});
    } else if (now.lease != old->second.lease) {
      ups.emplace_back(PeerUp{now.lease, old->second.lease, now.created});
    }
  }
  return downs_then_ups(std::move(downs), std::move(ups));
}

std::vector<PeerChange> difference(const StandingLeases::Before& before,
                                   const ListedLeases& after) {
  std::vector<PeerChange> downs;
  std::vector<PeerChange> ups;
  for (const auto& [subnet, old] : before) {
    const auto now = after.find(subnet);
    if (now == after.end()) {
      if (old) downs.emplace_back(PeerDown{*old});
    } else if (!old) {
      ups.emplace_back(PeerUp{now->second.lease, {}, now->second.created});
    } else if (now->second.lease != *old) {
      ups.emplace_back(PeerUp{now->second.lease, *old, now->second.created});
    }
  }
  return downs_then_ups(std::move(downs), std::move(ups));
}

std::string reason_of(const VtepOwners::Conflict& conflict, const PublicIps& ips) {
  const std::string announces =
      fmt::format("{} announces the VTEP MAC {}", to_string(ips), to_string(conflict.mac));
  if (conflict.is_crowded) {
    return fmt::format("{}, and so do {} older leases, more than a host has", announces,
                       VtepOwners::kMostOfOneMac);
  }
  return fmt::format("{} of {} at {}, whose lease is older: is one of the two a copy of the other?",
                     announces, to_string(conflict.subnet), to_string(conflict.public_ip));
}

}  // namespace

// Returns why the network does not have this subnet; empty: it does.
std::string LeaseTable::subnet_trouble(const IpPrefix& subnet) const {
  if (networks_.empty()) return {};
  const bool inside = std::ranges::any_of(
      networks_, [&subnet](const IpPrefix& network) { return network.contains(subnet); });
  if (inside) return {};
  const auto network = std::ranges::find(networks_, subnet.family(), &IpPrefix::family);
  if (network == networks_.end()) {
    return fmt::format("{}: the network has no {}", to_string(subnet), to_string(subnet.family()));
  }
  return fmt::format("{} is outside of the network {}", to_string(subnet), to_string(*network));
}

// Returns why the lease cannot be used: the network has none of its subnets, or none of its
// addresses is a host's; empty: it is usable.
std::string LeaseTable::leave_out_unusable(Lease& lease) const {
  std::string why;
  bool has_subnet = false;
  for (const IpPrefix& subnet : values_of(lease.subnet)) {
    std::string trouble = subnet_trouble(subnet);
    has_subnet |= trouble.empty();
    if (why.empty()) why = std::move(trouble);
  }
  if (!has_subnet) return why;
  return leave_out_no_hosts(lease.attributes);
}

// Returns the record as a lease that may stand, or the reason for its quarantine.
LeaseTable::Judged LeaseTable::judge(const Record& record) const {
  const auto refuse = [&](QuarantineKind kind, std::string reason) {
    return QuarantinedRecord{record.key, std::move(reason), record.revision, kind};
  };
  const auto subnet = decode_subnet_key(record.key);
  if (!subnet) return refuse(QuarantineKind::unreadable, subnet.error().text);
  auto attributes = decode_lease(record);
  if (!attributes) return refuse(QuarantineKind::unreadable, attributes.error().text);
  Lease lease{*subnet, *std::move(attributes)};
  const bool ours = host_ && host_->owns(lease);
  if (std::string why = leave_out_unusable(lease); !why.empty()) {
    return refuse(QuarantineKind::unusable, std::move(why));
  }
  const auto our_ip =
      host_ && !ours ? host_->public_ips.shared_with(lease.attributes.public_ips()) : std::nullopt;
  if (our_ip) {
    const auto& node = lease.attributes.node;
    return refuse(QuarantineKind::our_ip_by_other_node,
                  fmt::format("PublicIP {} is our own, but {} wrote it", to_string(*our_ip),
                              node ? "node " + to_string(*node) : "another host"));
  }
  return ListedLease{std::move(lease), record.created, record.revision, record.expires()};
}

std::vector<PeerChange> LeaseTable::apply_snapshot(const Snapshot& snapshot) {
  quarantine_.begin_list();
  std::vector<ListedLease> leases;
  for (const Record& record : snapshot.records) {
    Judged judged = judge(record);
    if (auto* lease = std::get_if<ListedLease>(&judged)) {
      leases.push_back(std::move(*lease));
    } else {
      quarantine_.put(std::get<QuarantinedRecord>(std::move(judged)));
    }
  }
  const ListedLeases before = standing_.list(std::move(leases), quarantine_);
  vteps_.clear();
  for (const auto& [subnet, decoded] : standing_.shown())
    vteps_.add(decoded);
  vteps_.take_affected();  // every lease is compared below
  std::vector<SubnetKey> in_conflict;
  for (const auto& [subnet, decoded] : standing_.shown()) {
    if (vteps_.conflict(subnet)) in_conflict.push_back(subnet);
  }
  for (const SubnetKey& subnet : in_conflict)
    update_vtep(subnet);
  quarantine_.end_list();
  return difference(before, standing_.shown());
}

std::vector<PeerChange> LeaseTable::apply(const Change& change) {
  if (const auto* put = std::get_if<RecordPut>(&change)) {
    Judged judged = judge(put->record);
    if (auto* lease = std::get_if<ListedLease>(&judged)) {
      return change_lease(put->record.key, std::move(*lease));
    }
    auto changes = change_lease(put->record.key, std::nullopt);
    quarantine_.put(std::get<QuarantinedRecord>(std::move(judged)));
    return changes;
  }
  if (const auto* gone = std::get_if<RecordGone>(&change)) {
    return change_lease(gone->key, std::nullopt);
  }
  return {};
}

std::vector<PeerChange> LeaseTable::change_lease(const std::string& key,
                                                 std::optional<ListedLease> now) {
  quarantine_.erase(key);
  const auto subnet = decode_subnet_key(key);
  if (!subnet) return {};
  auto before = standing_.change(*subnet, std::move(now), quarantine_);
  std::set<SubnetKey> undecided;
  for (const auto& [changed, was] : before) {
    vteps_.remove(changed);
    const ListedLease* standing = standing_.find(changed);
    if (standing == nullptr) continue;
    vteps_.add(*standing);
    undecided.insert(changed);
  }
  // The MAC of other leases may have another owner now.
  for (const SubnetKey& affected : vteps_.take_affected()) {
    if (!undecided.insert(affected).second) continue;
    const auto shown = standing_.shown().find(affected);
    const bool was_shown = shown != standing_.shown().end();
    before.emplace(affected, was_shown ? std::optional(shown->second.lease) : std::nullopt);
  }
  for (const SubnetKey& one : undecided)
    update_vtep(one);
  return difference(before, standing_.shown());
}

std::vector<SubnetKey> LeaseTable::conflicting_with(const Lease& lease,
                                                    const AnnouncedVteps& vteps) const {
  auto conflicting = vteps_.owned_by_others(vteps);
  const auto overlapping = standing_.overlapping(lease.subnet);
  conflicting.insert(conflicting.end(), overlapping.begin(), overlapping.end());
  return conflicting;
}

// Shows a standing lease if it owns its VTEP MAC, and hides it otherwise.
void LeaseTable::update_vtep(const SubnetKey& subnet) {
  ++vteps_looked_at_;
  const ListedLease& decoded = *standing_.find(subnet);
  const auto conflict = vteps_.conflict(subnet);
  if (!conflict) {
    quarantine_.erase(subnet);
    standing_.show(subnet);
    return;
  }
  quarantine_.put({decoded.key(), reason_of(*conflict, decoded.lease->attributes.public_ips()),
                   decoded.revision, QuarantineKind::same_mac});
  standing_.hide(subnet);
}

}  // namespace flannel
