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

bool can_be_a_host(Ip4 ip) {
  return !ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast() && ip.value != 0xffffffff;
}

// The lease among `disjoint` ones that overlaps `subnet`; null if none does.
const DecodedRecord* overlapping(const Leases& disjoint, const Cidr4& subnet) {
  const auto [first, last] = entries_overlapping(disjoint, subnet);
  return first == last ? nullptr : &first->second;
}

std::vector<PeerChange> difference(const Leases& before, Leases::const_iterator after,
                                   Leases::const_iterator after_end) {
  std::vector<PeerChange> downs;
  std::vector<PeerChange> ups;
  auto old = before.begin();
  while (old != before.end() || after != after_end) {
    if (after == after_end || (old != before.end() && old->first < after->first)) {
      downs.emplace_back(PeerDown{old++->second.lease});
    } else if (old == before.end() || after->first < old->first) {
      ups.emplace_back(PeerUp{after++->second.lease});
    } else {
      if (after->second.lease != old->second.lease) {
        ups.emplace_back(PeerUp{after->second.lease, old->second.lease.attributes});
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
  if (host_ && attributes->public_ip == host_->public_ip && !host_->wrote(*attributes)) {
    quarantined_[record.key] = {
        record.key,
        fmt::format("PublicIP {} is our own, but node {} wrote it",
                    to_string(attributes->public_ip), to_string(*attributes->node)),
        record.revision, true};
    return std::nullopt;
  }
  return DecodedRecord{record, {*subnet, *std::move(attributes)}};
}

// Takes in the candidates that overlap nobody older; no lease outside of them overlaps any.
void LeaseTable::settle(std::vector<DecodedRecord> candidates) {
  std::sort(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) {
    return std::tie(a.record.created, a.record.key) < std::tie(b.record.created, b.record.key);
  });
  for (DecodedRecord& candidate : candidates) {
    const SubnetKey subnet = candidate.lease.subnet;
    const DecodedRecord* older = overlapping(leases_, subnet.v4);
    if (older == nullptr) {
      leases_.insert_or_assign(subnet, std::move(candidate));
      continue;
    }
    quarantined_[candidate.record.key] = {
        candidate.record.key,
        fmt::format("overlaps {} of {}, which is older", to_string(older->lease.subnet),
                    to_string(older->lease.attributes.public_ip)),
        candidate.record.revision, false};
    outranked_.insert_or_assign(subnet, std::move(candidate));
  }
}

std::vector<PeerChange> LeaseTable::apply_snapshot(const Snapshot& snapshot) {
  const Leases before = std::exchange(leases_, {});
  outranked_.clear();
  quarantined_.clear();
  std::vector<DecodedRecord> candidates;
  candidates.reserve(snapshot.records.size());
  for (const Record& record : snapshot.records) {
    if (auto lease = judge(record)) candidates.push_back(*std::move(lease));
  }
  settle(std::move(candidates));
  return difference(before, leases_.begin(), leases_.end());
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
    if (has(leases_, wider) || has(outranked_, wider)) return wider;
  }
  return subnet;
}

// The record of this subnet is `now`, null: gone.
std::vector<PeerChange> LeaseTable::change_subnet(const SubnetKey& subnet, const Record* now) {
  const Cidr4 range = widest_around(subnet.v4);
  std::vector<DecodedRecord> candidates;
  Leases before;
  const auto [first, last] = entries_inside(leases_, range);
  for (auto lease = first; lease != last;) {
    if (lease->first != subnet) candidates.push_back(lease->second);
    before.insert(leases_.extract(lease++));
  }
  const auto [first_out, last_out] = entries_inside(outranked_, range);
  for (auto lease = first_out; lease != last_out; lease = outranked_.erase(lease)) {
    quarantined_.erase(lease->second.record.key);
    if (lease->first != subnet) candidates.push_back(std::move(lease->second));
  }
  if (now != nullptr) {
    if (auto lease = judge(*now)) candidates.push_back(*std::move(lease));
  }
  settle(std::move(candidates));
  const auto [begin, end] = entries_inside(std::as_const(leases_), range);
  return difference(before, begin, end);
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
