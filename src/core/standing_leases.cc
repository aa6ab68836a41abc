// SPDX-License-Identifier: Apache-2.0
#include "core/standing_leases.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/lease_ranges.h"

namespace flannel {
namespace {

// The first entry of this subnet's queue; end() if it is empty.
template <typename Queues>
auto first_in(const Queues& queues, const IpPrefix& subnet) {
  const auto first = queues.lower_bound({subnet, {}, {}});
  return first != queues.end() && std::get<0>(*first) == subnet ? first : queues.end();
}

QuarantinedRecord outranked(const DecodedRecord& lease, const DecodedRecord& older) {
  return {lease.record.key,
          fmt::format("overlaps {} of {}, which is older", to_string(older.lease.subnet),
                      to_string(older.lease.attributes.public_ip)),
          lease.record.revision, QuarantineKind::outranked};
}

}  // namespace

StandingLeases::Before StandingLeases::change(const SubnetKey& subnet,
                                              std::optional<DecodedRecord> now,
                                              Quarantine& quarantine) {
  Turn turn{quarantine};
  if (now && replace_in_place(subnet, *now, turn)) return std::move(turn.before);
  remove(subnet, turn);
  if (now) add(*std::move(now), turn);
  resolve_overlaps(turn);
  return std::move(turn.before);
}

StandingLeases::Leases StandingLeases::list(std::vector<DecodedRecord> all,
                                            Quarantine& quarantine) {
  Leases before = std::exchange(shown_, {});
  hidden_.clear();
  waiting_.clear();
  first_.clear();
  behind_.clear();
  queues_.clear();
  std::sort(all.begin(), all.end(),
            [](const auto& one, const auto& other) { return age(one) < age(other); });
  for (DecodedRecord& lease : all) {
    Turn turn{quarantine};
    add(std::move(lease), turn);
    resolve_overlaps(turn);
  }
  return before;
}

const DecodedRecord* StandingLeases::find(const SubnetKey& subnet) const {
  for (const Leases* part : {&shown_, &hidden_}) {
    const auto found = part->find(subnet);
    if (found != part->end()) return &found->second;
  }
  return nullptr;
}

StandingLeases::Place StandingLeases::place_of(const SubnetKey& subnet) {
  for (Leases* part : {&shown_, &hidden_}) {
    const auto found = part->find(subnet);
    if (found != part->end()) return {part, found};
  }
  return {};
}

void StandingLeases::hide(const SubnetKey& subnet) {
  hidden_.insert(shown_.extract(subnet));
}

void StandingLeases::show(const SubnetKey& subnet) {
  shown_.insert(hidden_.extract(subnet));
}

// Replaces a lease of the same age, which changes no lease's place. False: the age is another.
bool StandingLeases::replace_in_place(const SubnetKey& subnet, DecodedRecord& now, Turn& turn) {
  if (const DecodedRecord* old = find(subnet)) {
    if (age(*old) != age(now)) return false;
    const bool moved = old->lease.attributes.public_ip != now.lease.attributes.public_ip;
    Lease was = std::move(place_of(subnet).lease->second.lease);
    const bool hidden = hidden_.erase(subnet) > 0;
    turn.before.emplace(subnet, hidden ? std::nullopt : std::optional(std::move(was)));
    DecodedRecord& standing = shown_[subnet] = std::move(now);
    if (moved) say_reasons_again(standing, turn);
    return true;
  }
  const auto found = waiting_.find(subnet);
  if (found == waiting_.end() || age(found->second.lease) != age(now)) return false;
  Waiting& waiting = found->second;
  waiting.lease = std::move(now);
  const DecodedRecord* older = oldest_of(waiting.behind ? subnet.v4 : *waiting.queue);
  turn.quarantine.put(outranked(waiting.lease, *older));
  return true;
}

// Updates the reasons of the leases that wait for `older`, because these name its address. Only
// records that the quarantine names have a reason, so they are few.
void StandingLeases::say_reasons_again(const DecodedRecord& older, Turn& turn) const {
  std::vector<QuarantinedRecord> again;
  for (const auto& [key, record] : turn.quarantine.named()) {
    if (record.kind != QuarantineKind::outranked) continue;
    const auto found = waiting_.find(decode_subnet_key(key).value());
    if (found == waiting_.end()) continue;
    const Waiting& waiting = found->second;
    const IpPrefix& by = waiting.behind ? found->first.v4 : *waiting.queue;
    if (by == older.lease.subnet.v4) again.push_back(outranked(waiting.lease, older));
  }
  for (QuarantinedRecord& record : again)
    turn.quarantine.put(std::move(record));
}

const DecodedRecord* StandingLeases::standing_for(const IpPrefix& subnet) const {
  for (const Leases* part : {&shown_, &hidden_}) {
    const auto found = part->lower_bound({subnet, std::nullopt});
    if (found != part->end() && found->first.v4 == subnet) return &found->second;
  }
  return nullptr;
}

// The oldest of the leases for this one subnet; nullptr: none.
const DecodedRecord* StandingLeases::oldest_of(const IpPrefix& subnet) const {
  if (const DecodedRecord* standing = standing_for(subnet)) return standing;
  const auto first = first_.find(subnet);
  return first == first_.end() ? nullptr : &waiting_.at(first->second).lease;
}

const DecodedRecord* StandingLeases::older_in_the_way(const DecodedRecord& lease) {
  for (const Leases* part : {&shown_, &hidden_}) {
    const auto [first, last] = entries_overlapping(*part, lease.lease.subnet.v4);
    const auto older = std::find_if(first, last, [&](const auto& other) {
      ++looked_at_;
      return age(other.second) < age(lease);
    });
    if (older != last) return &older->second;
  }
  return nullptr;
}

void StandingLeases::add(DecodedRecord lease, Turn& turn) {
  const SubnetKey subnet = lease.lease.subnet;
  const DecodedRecord* oldest = oldest_of(subnet.v4);
  if (oldest != nullptr && age(*oldest) < age(lease)) {
    wait(std::move(lease), true, oldest, turn);
    return;
  }
  turn.to_try.emplace(age(lease), subnet);
  if (oldest != nullptr) {
    const SubnetKey other = oldest->lease.subnet;
    if (const Place standing = place_of(other); standing.part != nullptr) {
      wait(stop_standing(standing, turn), true, &lease, turn);
    } else {
      Waiting& younger = waiting_.at(other);
      leave_queue(other, younger);
      wait(std::move(younger.lease), true, &lease, turn);
    }
  }
  first_.insert_or_assign(subnet.v4, subnet);
  waiting_.insert_or_assign(subnet, Waiting{std::move(lease)});
}

void StandingLeases::remove(const SubnetKey& subnet, Turn& turn) {
  if (const Place standing = place_of(subnet); standing.part != nullptr) {
    stop_standing(standing, turn);
    next_of_subnet(subnet.v4, turn);
    return;
  }
  const auto found = waiting_.find(subnet);
  if (found == waiting_.end()) return;
  Waiting& waiting = found->second;
  turn.quarantine.erase(waiting.lease.record.key);
  const bool was_first = !waiting.behind;
  if (was_first) {
    leave_queue(subnet, waiting);
    first_.erase(subnet.v4);
  } else {
    behind_.erase({subnet.v4, age(waiting.lease), subnet});
  }
  waiting_.erase(found);
  if (was_first) next_of_subnet(subnet.v4, turn);
}

DecodedRecord StandingLeases::stop_standing(const Place& place, Turn& turn) {
  DecodedRecord lease = std::move(place.part->extract(place.lease).mapped());
  const bool was_shown = place.part == &shown_;
  turn.before.emplace(lease.lease.subnet, was_shown ? std::optional(lease.lease) : std::nullopt);
  next_of_queue(lease.lease.subnet.v4, turn);
  return lease;
}

// Puts `lease` behind `older` if that has the same subnet, otherwise into the queue of `older`.
void StandingLeases::wait(DecodedRecord lease, bool behind, const DecodedRecord* older,
                          Turn& turn) {
  const SubnetKey subnet = lease.lease.subnet;
  const IpPrefix& other = older->lease.subnet.v4;
  turn.quarantine.put(outranked(lease, *older));
  (behind ? behind_ : queues_).emplace(other, age(lease), subnet);
  if (!behind) first_.insert_or_assign(subnet.v4, subnet);
  waiting_.insert_or_assign(
      subnet, Waiting{std::move(lease), behind, behind ? std::nullopt : std::optional(other)});
}

void StandingLeases::leave_queue(const SubnetKey& subnet, Waiting& waiting) {
  if (!waiting.queue) return;
  queues_.erase({*waiting.queue, age(waiting.lease), subnet});
  waiting.queue.reset();
}

void StandingLeases::next_of_queue(const IpPrefix& subnet, Turn& turn) const {
  const auto first = first_in(queues_, subnet);
  if (first != queues_.end()) turn.to_try.emplace(std::get<1>(*first), std::get<2>(*first));
}

// Lets the next lease of this subnet try, after the oldest is gone.
void StandingLeases::next_of_subnet(const IpPrefix& subnet, Turn& turn) {
  const auto next = first_in(behind_, subnet);
  if (next == behind_.end()) return;
  const auto [own, next_age, key] = *next;
  behind_.erase(next);
  waiting_.at(key).behind = false;
  first_.insert_or_assign(subnet, key);
  turn.to_try.emplace(next_age, key);
}

// Leases try by age: all leases that are older than the next one have their place already.
void StandingLeases::resolve_overlaps(Turn& turn) {
  while (!turn.to_try.empty()) {
    const SubnetKey subnet = turn.to_try.extract(turn.to_try.begin()).value().second;
    ++looked_at_;
    try_to_stand(subnet, turn);
  }
}

void StandingLeases::try_to_stand(const SubnetKey& subnet, Turn& turn) {
  Waiting& waiting = waiting_.at(subnet);
  if (waiting.behind) return;  // an older lease was added meanwhile
  if (waiting.queue) {
    const IpPrefix queue = *waiting.queue;
    const DecodedRecord* holder = standing_for(queue);
    // The subnet was taken again by a lease that is older than all that are left in the queue.
    if (holder != nullptr && age(*holder) < age(waiting.lease)) return;
    leave_queue(subnet, waiting);
    next_of_queue(queue, turn);
  }
  if (const DecodedRecord* older = older_in_the_way(waiting.lease)) {
    wait(std::move(waiting.lease), false, older, turn);
  } else {
    stand(subnet, turn);
  }
}

void StandingLeases::stand(const SubnetKey& subnet, Turn& turn) {
  const DecodedRecord lease = std::move(waiting_.extract(subnet).mapped().lease);
  first_.erase(subnet.v4);
  turn.quarantine.erase(lease.record.key);
  std::vector<SubnetKey> younger;
  for (const Leases* part : {&shown_, &hidden_}) {
    const auto [first, last] = entries_overlapping(*part, subnet.v4);
    for (auto other = first; other != last; ++other)
      younger.push_back(other->first);
  }
  for (const SubnetKey& other : younger)
    wait(stop_standing(place_of(other), turn), false, &lease, turn);
  turn.before.emplace(subnet, std::nullopt);
  shown_.emplace(subnet, lease);
}

}  // namespace flannel
