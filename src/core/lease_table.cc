// SPDX-License-Identifier: Apache-2.0
#include "core/lease_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/lease_ranges.h"

namespace flannel {
namespace {

using Leases = std::map<SubnetKey, DecodedRecord>;

// RFC 1122, section 3.2.1.3: 0.0.0.0/8 is this network, and 127.0.0.0/8 this host. RFC 1112: from
// 224.0.0.0 on there are groups and what is reserved, which Linux sends to as little as broadcast.
bool can_be_a_host(Ip4 ip) {
  const std::uint32_t first_byte = ip.value >> 24;
  return first_byte != 0 && !ip.is_loopback() && first_byte < 224;
}

// The lease among `disjoint` ones that overlaps `subnet`; null if none does.
const DecodedRecord* overlapping(const Leases& disjoint, const Cidr4& subnet) {
  const auto [first, last] = entries_overlapping(disjoint, subnet);
  return first == last ? nullptr : &first->second;
}

std::vector<PeerChange> difference(const Leases& before, const Leases& now) {
  std::vector<PeerChange> downs;
  std::vector<PeerChange> ups;
  auto old = before.begin();
  auto after = now.begin();
  const auto after_end = now.end();
  while (old != before.end() || after != after_end) {
    if (after == after_end || (old != before.end() && old->first < after->first)) {
      downs.emplace_back(PeerDown{old++->second.lease});
    } else if (old == before.end() || after->first < old->first) {
      ups.emplace_back(PeerUp{after->second.lease, {}, after->second.record.created});
      ++after;
    } else {
      if (after->second.lease != old->second.lease) {
        ups.emplace_back(PeerUp{after->second.lease, old->second.lease.attributes,
                                after->second.record.created});
      }
      ++old;
      ++after;
    }
  }
  downs.insert(downs.end(), std::move_iterator(ups.begin()), std::move_iterator(ups.end()));
  return downs;
}

}  // namespace

// The record as a lease that may enter the table, or else its reason in the quarantine.
std::optional<DecodedRecord> LeaseTable::judge(const Record& record) {
  const auto refuse = [&](std::string reason) {
    quarantined_[record.key] = {record.key, std::move(reason), record.revision, false};
    return std::nullopt;
  };
  const auto subnet = decode_subnet_key(record.key);
  if (!subnet) return refuse(subnet.error().text);
  auto attributes = decode_lease_value(record.value);
  if (!attributes) return refuse(attributes.error().text);
  if (network_ && !network_->contains(subnet->v4)) {
    return refuse(fmt::format("{} is outside of the network {}", to_string(subnet->v4),
                              to_string(*network_)));
  }
  if (!can_be_a_host(attributes->public_ip)) {
    return refuse(
        fmt::format("PublicIP {} is not the address of a host", to_string(attributes->public_ip)));
  }
  Lease lease{*subnet, *std::move(attributes)};
  if (host_ && lease.attributes.public_ip == host_->public_ip && !host_->owns(lease)) {
    quarantined_[record.key] = {
        record.key,
        fmt::format("PublicIP {} is our own, but node {} wrote it",
                    to_string(lease.attributes.public_ip), to_string(*lease.attributes.node)),
        record.revision, true};
    return std::nullopt;
  }
  return DecodedRecord{record, std::move(lease)};
}

// Those of the candidates that overlap nobody older; no lease outside of them overlaps any.
LeaseTable::Leases LeaseTable::settle(std::vector<DecodedRecord> candidates) {
  std::sort(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) {
    return std::tie(a.record.created, a.record.key) < std::tie(b.record.created, b.record.key);
  });
  Leases settled;
  for (DecodedRecord& candidate : candidates) {
    const SubnetKey subnet = candidate.lease.subnet;
    const DecodedRecord* older = overlapping(settled, subnet.v4);
    if (older == nullptr) {
      settled.insert_or_assign(subnet, std::move(candidate));
      continue;
    }
    quarantined_[candidate.record.key] = {
        candidate.record.key,
        fmt::format("overlaps {} of {}, which is older", to_string(older->lease.subnet),
                    to_string(older->lease.attributes.public_ip)),
        candidate.record.revision, false};
    outranked_.insert_or_assign(subnet, std::move(candidate));
  }
  return settled;
}

// A lease that overlaps nobody older is one of the table, or a double, by whose its VTEP MAC is.
void LeaseTable::settle_vtep(const SubnetKey& subnet) {
  auto node = leases_.extract(subnet);
  if (node.empty()) node = doubles_.extract(subnet);
  const DecodedRecord& decoded = node.mapped();
  const std::string& key = decoded.record.key;
  if (const auto conflict = vteps_.conflict(subnet)) {
    quarantined_[key] = {
        key,
        fmt::format("{} announces the VTEP MAC {} of {} at {}, whose lease is older: is one of the "
                    "two a copy of the other?",
                    to_string(decoded.lease.attributes.public_ip), to_string(conflict->mac),
                    to_string(conflict->subnet), to_string(conflict->public_ip)),
        decoded.record.revision, true};
    doubles_.insert(std::move(node));
  } else {
    quarantined_.erase(key);
    leases_.insert(std::move(node));
  }
}

const DecodedRecord* LeaseTable::find(const SubnetKey& subnet) const {
  for (const Leases* some : {&leases_, &doubles_}) {
    if (const auto found = some->find(subnet); found != some->end()) return &found->second;
  }
  return nullptr;
}

std::vector<PeerChange> LeaseTable::apply_snapshot(const Snapshot& snapshot) {
  const Leases before = std::exchange(leases_, {});
  doubles_.clear();
  outranked_.clear();
  vteps_.clear();
  quarantined_.clear();
  std::vector<DecodedRecord> candidates;
  candidates.reserve(snapshot.records.size());
  for (const Record& record : snapshot.records) {
    if (auto lease = judge(record)) candidates.push_back(*std::move(lease));
  }
  leases_ = settle(std::move(candidates));
  for (const auto& [subnet, decoded] : leases_)
    vteps_.add(decoded);
  for (const SubnetKey& subnet : vteps_.take_affected())
    settle_vtep(subnet);
  return difference(before, leases_);
}

// The largest subnet of any candidate that contains `subnet`: networks either nest or are apart,
// so nothing outside of it has to do with what happens inside.
Cidr4 LeaseTable::widest_around(const Cidr4& subnet) const {
  const auto has = [](const Leases& leases, const Cidr4& net) {
    const auto found = leases.lower_bound({net, std::nullopt});
    return found != leases.end() && found->first.v4 == net;
  };
  for (std::uint8_t bits = network_ ? network_->bits : 0; bits < subnet.bits; ++bits) {
    const Cidr4 wider = Cidr4::of(subnet.base, bits);
    if (has(leases_, wider) || has(doubles_, wider) || has(outranked_, wider)) return wider;
  }
  return subnet;
}

// Moves all leases inside `range` to the candidates, `but` for one that is to go.
void LeaseTable::take_out(Leases& from, const Cidr4& range, const SubnetKey& but,
                          std::vector<DecodedRecord>& candidates) {
  const auto [first, last] = entries_inside(from, range);
  for (auto lease = first; lease != last; lease = from.erase(lease)) {
    quarantined_.erase(lease->second.record.key);
    vteps_.remove(lease->first);
    if (lease->first != but) candidates.push_back(std::move(lease->second));
  }
}

// The record of this subnet is `now`, null: gone.
std::vector<PeerChange> LeaseTable::change_subnet(const SubnetKey& subnet, const Record* now) {
  const Cidr4 range = widest_around(subnet.v4);
  const auto [first, last] = entries_inside(leases_, range);
  Leases before(first, last);
  std::vector<DecodedRecord> candidates;
  for (Leases* all : {&leases_, &doubles_, &outranked_})
    take_out(*all, range, subnet, candidates);
  if (now != nullptr) {
    if (auto lease = judge(*now)) candidates.push_back(*std::move(lease));
  }
  Leases settled = settle(std::move(candidates));
  std::set<SubnetKey> undecided;
  for (const auto& [here, decoded] : settled) {
    vteps_.add(decoded);
    undecided.insert(here);
  }
  leases_.merge(settled);
  // Elsewhere, a MAC may have passed from one lease to another.
  for (const SubnetKey& affected : vteps_.take_affected()) {
    if (!undecided.insert(affected).second) continue;
    const auto peer = leases_.find(affected);
    if (peer != leases_.end()) before.insert(*peer);
  }
  Leases after;
  for (const SubnetKey& one : undecided) {
    settle_vtep(one);
    const auto peer = leases_.find(one);
    if (peer != leases_.end()) after.insert(*peer);
  }
  return difference(before, after);
}

std::vector<PeerChange> LeaseTable::apply(const Change& change) {
  const auto* put = std::get_if<RecordPut>(&change);
  const auto* gone = std::get_if<RecordGone>(&change);
  if (put == nullptr && gone == nullptr) return {};
  const std::string& key = put != nullptr ? put->record.key : gone->key;
  quarantined_.erase(key);
  if (const auto subnet = decode_subnet_key(key)) {
    return change_subnet(*subnet, put != nullptr ? &put->record : nullptr);
  }
  if (put != nullptr) judge(put->record);
  return {};
}

}  // namespace flannel
