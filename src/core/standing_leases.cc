// SPDX-License-Identifier: Apache-2.0
#include "core/standing_leases.h"

#include <fmt/format.h>

#include <algorithm>

namespace flannel {
namespace {

// The first entry of this subnet's queue; end() if it is empty.
template <typename Queues>
auto first_in(const Queues& queues, const IpPrefix& subnet) {
  const auto first = queues.lower_bound({subnet, {}});
  return first != queues.end() && first->first == subnet ? first : queues.end();
}

QuarantinedRecord outranked(const ListedLease& lease, const ListedLease& older) {
  return {lease.key(),
          fmt::format("overlaps {} of {}, which is older", to_string(older.lease->subnet),
                      to_string(older.lease->attributes.public_ips())),
          lease.revision, QuarantineKind::outranked};
}

}  // namespace

StandingLeases::Before StandingLeases::change(const SubnetKey& subnet,
                                              std::optional<ListedLease> now,
                                              Quarantine& quarantine) {
  Turn turn{quarantine};
  if (now && replace_in_place(subnet, *now, turn)) return std::move(turn.before);
  remove(subnet, turn);
  if (now) add(*std::move(now), turn);
  resolve_overlaps(turn);
  return std::move(turn.before);
}

std::vector<ListedLease> StandingLeases::all() const {
  std::vector<ListedLease> all;
  all.reserve(shown_.size() + hidden_.size() + waiting_.size());
  for (const ListedLeases* part : {&shown_, &hidden_}) {
    for (const auto& [subnet, lease] : *part)
      all.push_back(lease);
  }
  for (const auto& [subnet, waiting] : waiting_)
    all.push_back(waiting.lease);
  return all;
}

ListedLeases StandingLeases::list(std::vector<ListedLease> all, Quarantine& quarantine) {
  ListedLeases before = std::exchange(shown_, {});
  hidden_.clear();
  ranges_.clear();
  waiting_.clear();
  first_.clear();
  behind_.clear();
  queues_.clear();
  std::ranges::sort(all, {}, &ListedLease::age);
  for (ListedLease& lease : all) {
    Turn turn{quarantine};
    add(std::move(lease), turn);
    resolve_overlaps(turn);
  }
  return before;
}

const ListedLease* StandingLeases::find(const SubnetKey& subnet) const {
  for (const ListedLeases* part : {&shown_, &hidden_}) {
    const auto found = part->find(subnet);
    if (found != part->end()) return &found->second;
  }
  return nullptr;
}

StandingLeases::Place StandingLeases::place_of(const SubnetKey& subnet) {
  for (ListedLeases* part : {&shown_, &hidden_}) {
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
bool StandingLeases::replace_in_place(const SubnetKey& subnet, ListedLease& now, Turn& turn) {
  if (const ListedLease* old = find(subnet)) {
    if (old->age() != now.age()) return false;
    const Shared<Lease> was = old->lease;
    const bool moved = was->attributes.public_ips() != now.lease->attributes.public_ips();
    const bool hidden = hidden_.erase(subnet) > 0;
    turn.before.emplace(subnet, hidden ? std::nullopt : std::optional(was));
    const ListedLease& standing = shown_.insert_or_assign(subnet, std::move(now)).first->second;
    if (moved) say_reasons_again(standing, turn);
    return true;
  }
  const auto found = waiting_.find(subnet);
  if (found == waiting_.end() || found->second.lease.age() != now.age()) return false;
  Waiting& waiting = found->second;
  waiting.lease = std::move(now);
  turn.quarantine.put(outranked(waiting.lease, in_the_way(*waiting.obstacle)));
  return true;
}

// Updates the reasons of the leases that wait for `older`, because these name its address. Only
// records that the quarantine names have a reason, so they are few.
void StandingLeases::say_reasons_again(const ListedLease& older, Turn& turn) const {
  std::vector<QuarantinedRecord> again;
  for (const auto& [key, record] : turn.quarantine.named()) {
    if (record.kind != QuarantineKind::outranked) continue;
    const auto found = waiting_.find(decode_subnet_key(key).value());
    if (found == waiting_.end()) continue;
    const Waiting& waiting = found->second;
    if (&in_the_way(*waiting.obstacle) == &older) again.push_back(outranked(waiting.lease, older));
  }
  for (QuarantinedRecord& record : again)
    turn.quarantine.put(std::move(record));
}

std::vector<SubnetKey> StandingLeases::overlapping(const SubnetKey& lease) const {
  auto found = ranges_.overlapping(lease);
  std::erase_if(found, [this](const SubnetKey& other) { return !shown_.contains(other); });
  return found;
}

// The standing lease that has exactly this subnet; nullptr: none.
const ListedLease* StandingLeases::standing_for(const IpPrefix& subnet) const {
  const SubnetKey* key = ranges_.find(subnet);
  return key == nullptr ? nullptr : find(*key);
}

// The lease that other leases with this subnet are behind; nullptr: none.
const ListedLease* StandingLeases::ahead_of(const IpPrefix& subnet) const {
  if (const ListedLease* standing = standing_for(subnet)) return standing;
  const auto first = first_.find(subnet);
  return first == first_.end() ? nullptr : &waiting_.at(first->second).lease;
}

const ListedLease& StandingLeases::in_the_way(const Obstacle& obstacle) const {
  return obstacle.queue ? *standing_for(*obstacle.queue) : *ahead_of(obstacle.own);
}

// Finds without a search that a lease with one of the same subnets is in the way: if that stands,
// it overlaps this lease, and if it is the first, an older lease is in the way of both.
std::optional<StandingLeases::Obstacle> StandingLeases::older_ahead(
    const ListedLease& lease) const {
  for (const Family family : kFamilies) {
    const auto& own = lease.lease->subnet.at(family);
    const ListedLease* ahead = own ? ahead_of(*own) : nullptr;
    if (ahead != nullptr && ahead->age() < lease.age()) return Obstacle{*own, std::nullopt};
  }
  return std::nullopt;
}

std::optional<StandingLeases::Obstacle> StandingLeases::find_obstacle(const ListedLease& lease) {
  if (auto ahead = older_ahead(lease)) return ahead;
  for (const Family family : kFamilies) {
    const auto& own = lease.lease->subnet.at(family);
    if (!own) continue;
    const auto [first, last] = ranges_.overlapping(*own);
    const auto older = std::find_if(first, last, [&](const auto& entry) {
      ++looked_at_;
      return find(entry.second)->age() < lease.age();
    });
    if (older != last) return Obstacle{*own, older->first};
  }
  return std::nullopt;
}

void StandingLeases::add(ListedLease lease, Turn& turn) {
  const SubnetKey subnet = lease.lease->subnet;
  Waiting& waiting = waiting_.insert_or_assign(subnet, Waiting{std::move(lease)}).first->second;
  if (const auto ahead = older_ahead(waiting.lease)) {
    wait(waiting, *ahead, turn);
  } else {
    turn.to_try.insert(waiting.lease.age());
  }
}

void StandingLeases::remove(const SubnetKey& subnet, Turn& turn) {
  if (const Place standing = place_of(subnet); standing.part != nullptr) {
    stop_standing(standing, turn);
    return;
  }
  const auto found = waiting_.find(subnet);
  if (found == waiting_.end()) return;
  const IpPrefix own = found->second.obstacle->own;
  turn.quarantine.erase(subnet);
  leave(found->second);
  waiting_.erase(found);
  next_behind(own, turn);
}

ListedLease StandingLeases::stop_standing(const Place& place, Turn& turn) {
  ListedLease lease = std::move(place.part->extract(place.lease).mapped());
  const SubnetKey& subnet = lease.lease->subnet;
  ranges_.remove(subnet);
  const bool was_shown = place.part == &shown_;
  turn.before.emplace(subnet, was_shown ? std::optional(lease.lease) : std::nullopt);
  for (const Family family : kFamilies) {
    if (!subnet.at(family)) continue;
    next_of_queue(*subnet.at(family), turn);
    next_behind(*subnet.at(family), turn);
  }
  return lease;
}

void StandingLeases::wait(Waiting& waiting, const Obstacle& obstacle, Turn& turn) {
  const SubnetKey subnet = waiting.lease.lease->subnet;
  waiting.obstacle = obstacle;
  turn.quarantine.put(outranked(waiting.lease, in_the_way(obstacle)));
  if (!obstacle.queue) {
    behind_.emplace(obstacle.own, waiting.lease.age());
    return;
  }
  const auto first = first_.find(obstacle.own);
  if (first != first_.end()) {  // it is younger
    const SubnetKey other = first->second;
    Waiting& younger = waiting_.at(other);
    const IpPrefix queue = *younger.obstacle->queue;
    leave(younger);
    // It may have been about to try, and then the next of its queue is to try after it.
    next_of_queue(queue, turn);
    first_.emplace(obstacle.own, subnet);
    wait(younger, {obstacle.own, std::nullopt}, turn);
  } else {
    first_.emplace(obstacle.own, subnet);
  }
  queues_.emplace(*obstacle.queue, waiting.lease.age());
}

// Takes a waiting lease out of the order in which leases try.
void StandingLeases::leave(Waiting& waiting) {
  if (!waiting.obstacle) return;
  const Obstacle obstacle = *std::exchange(waiting.obstacle, std::nullopt);
  if (obstacle.queue) {
    queues_.erase({*obstacle.queue, waiting.lease.age()});
    first_.erase(obstacle.own);
  } else {
    behind_.erase({obstacle.own, waiting.lease.age()});
  }
}

void StandingLeases::next_of_queue(const IpPrefix& subnet, Turn& turn) const {
  const auto first = first_in(queues_, subnet);
  if (first != queues_.end()) turn.to_try.insert(first->second);
}

// Lets the next lease with this subnet try, after none is ahead of it.
void StandingLeases::next_behind(const IpPrefix& subnet, Turn& turn) const {
  const auto next = first_in(behind_, subnet);
  if (next != behind_.end()) turn.to_try.insert(next->second);
}

// Leases try by age: all leases that are older than the next one have their place already.
void StandingLeases::resolve_overlaps(Turn& turn) {
  while (!turn.to_try.empty()) {
    const SubnetKey subnet = turn.to_try.extract(turn.to_try.begin()).value().subnet;
    ++looked_at_;
    try_to_stand(subnet, turn);
  }
}

void StandingLeases::try_to_stand(const SubnetKey& subnet, Turn& turn) {
  Waiting& waiting = waiting_.at(subnet);
  const std::optional<Obstacle> before = waiting.obstacle;
  if (before) {
    const ListedLease* ahead = before->queue ? standing_for(*before->queue) : ahead_of(before->own);
    // The subnet was taken again by a lease that is older than all that are left there.
    if (ahead != nullptr && ahead->age() < waiting.lease.age()) return;
    leave(waiting);
    if (before->queue) next_of_queue(*before->queue, turn);
  }
  const auto obstacle = find_obstacle(waiting.lease);
  // Leases behind this one may not have its obstacle if that is of the other family.
  if (before && obstacle && obstacle->own != before->own) next_behind(before->own, turn);
  if (obstacle) {
    wait(waiting, *obstacle, turn);
  } else {
    stand(subnet, turn);
  }
}

void StandingLeases::stand(const SubnetKey& subnet, Turn& turn) {
  ListedLease lease = std::move(waiting_.extract(subnet).mapped().lease);
  turn.quarantine.erase(subnet);
  for (const SubnetKey& younger : ranges_.overlapping(subnet))
    add(stop_standing(place_of(younger), turn), turn);
  turn.before.emplace(subnet, std::nullopt);
  ranges_.add(subnet);
  shown_.emplace(subnet, std::move(lease));
}

}  // namespace flannel
