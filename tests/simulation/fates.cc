// SPDX-License-Identifier: Apache-2.0
#include "simulation/fates.h"

#include <algorithm>

namespace flannel::simulation {

void Fates::put(const Record& record, IpAddress owner, bool is_bare) {
  const auto subnet = decode_subnet_key(record.key);
  if (!subnet) return;
  holders_.insert_or_assign(record.key,
                            Holder{*subnet, record.key, record.created, owner, is_bare});
  for (const IpPrefix& one : values_of(*subnet))
    fates_[one].keys.insert(record.key);
  look_again(concerned_by(*subnet), record.revision);
}

void Fates::erase(const std::string& key, Revision revision) {
  const auto found = holders_.find(key);
  if (found == holders_.end()) return;
  const auto concerned = concerned_by(found->second.subnet);
  remove(key);
  look_again(concerned, revision);
}

void Fates::clear(Revision revision) {
  std::set<IpPrefix> all;
  for (const auto& [subnet, fate] : fates_)
    all.insert(subnet);
  while (!holders_.empty())
    remove(std::string(holders_.begin()->first));
  look_again(all, revision);
}

void Fates::rob(const std::string& key, Revision revision) {
  const auto subnet = decode_subnet_key(key);
  if (!subnet) return;
  for (const IpPrefix& one : values_of(*subnet)) {
    Fate& fate = fates_[one];
    fate.robbed = timeline_.now();
    // Readers go by the oldest record, whatever happens to a younger one.
    const Holder* holder = oldest(one);
    if (holder == nullptr || holder->key == key) fate.gone = revision;
  }
}

void Fates::rob_all() {
  for (auto& [subnet, fate] : fates_)
    fate.robbed = timeline_.now();
}

bool Fates::gave_cause_to_drop(const IpPrefix& subnet, IpAddress owner, Revision known) const {
  const auto fate = fates_.find(subnet);
  return fate == fates_.end() || fate->second.certain != owner || fate->second.gone >= known;
}

TimePoint Fates::robbed_at(const IpPrefix& subnet) const {
  const auto fate = fates_.find(subnet);
  return fate == fates_.end() ? TimePoint{} : fate->second.robbed;
}

TimePoint Fates::foreign_at(const IpPrefix& subnet, IpAddress owner) const {
  TimePoint last{};
  for (const auto& [taken, fate] : fates_) {
    if (!taken.overlaps(subnet)) continue;  // hosts may have subnets of different lengths
    for (const auto& [other, until] : fate.first_until) {
      if (other != owner) last = std::max(last, until);
    }
  }
  return last;
}

TimePoint Fates::held_until(const IpPrefix& subnet, IpAddress owner, Duration heard_by) const {
  const auto fate = fates_.find(subnet);
  if (fate == fates_.end()) return {};
  const auto found = fate->second.certain_until.find(owner);
  if (found == fate->second.certain_until.end()) return {};
  const Certain& certain = found->second;
  const bool just_back = timeline_.now() - certain.since < heard_by;
  if (certain.until == kNever && just_back) return certain.before;
  // What names no node was written by hand: its host may have been gone since.
  return std::min({certain.until, timeline_.now(), fate->second.bare_since});
}

const Fates::Holder* Fates::oldest(const IpPrefix& subnet) const {
  const auto fate = fates_.find(subnet);
  const Holder* first = nullptr;
  if (fate == fates_.end()) return first;
  for (const std::string& key : fate->second.keys) {
    const Holder& holder = holders_.at(key);
    if (first == nullptr || holder.is_older_than(*first)) first = &holder;
  }
  return first;
}

bool Fates::is_certain(const Holder& holder) const {
  return std::ranges::all_of(values_of(holder.subnet), [&](const IpPrefix& subnet) {
    return !oldest(subnet)->is_older_than(holder);
  });
}

// Its subnets, and those of the records that have one of them.
std::set<IpPrefix> Fates::concerned_by(const SubnetKey& subnet) const {
  std::set<IpPrefix> concerned;
  for (const IpPrefix& one : values_of(subnet)) {
    concerned.insert(one);
    const auto fate = fates_.find(one);
    if (fate == fates_.end()) continue;
    for (const std::string& key : fate->second.keys) {
      for (const IpPrefix& other : values_of(holders_.at(key).subnet))
        concerned.insert(other);
    }
  }
  return concerned;
}

void Fates::remove(const std::string& key) {
  const Holder holder = std::move(holders_.extract(key).mapped());
  for (const IpPrefix& subnet : values_of(holder.subnet))
    fates_[subnet].keys.erase(key);
}

void Fates::look_again(const std::set<IpPrefix>& subnets, Revision revision) {
  for (const IpPrefix& subnet : subnets)
    look_again(subnet, revision);
}

void Fates::look_again(const IpPrefix& subnet, Revision revision) {
  const TimePoint now = timeline_.now();
  Fate& fate = fates_[subnet];
  const Holder* holder = oldest(subnet);
  const auto first = holder == nullptr ? std::nullopt : std::optional(holder->owner);
  const auto certain = first && is_certain(*holder) ? first : std::nullopt;
  if (fate.first && fate.first != first) fate.first_until[*fate.first] = now;
  if (first) fate.first_until[*first] = kNever;
  fate.first = first;
  if (certain != fate.certain) {
    if (fate.certain) {
      fate.gone = revision;
      fate.certain_until[*fate.certain].until = now;
    }
    if (certain) {
      Certain& again = fate.certain_until[*certain];
      again = {.until = kNever, .before = again.until, .since = now};
    }
    fate.certain = certain;
  }
  if (holder == nullptr) return;
  fate.bare_since = holder->is_bare ? std::min(fate.bare_since, now) : kNever;
}

}  // namespace flannel::simulation
