// SPDX-License-Identifier: Apache-2.0
#include "plan/wish.h"

#include <algorithm>

#include "plan/diff.h"

namespace flannel {
namespace {

std::string name_of(const Claimant& who) {
  return who ? to_string(*who) : "this host";
}

}  // namespace

std::optional<KernelObject> Wish::wished(const ObjectKey& key) const {
  const auto entry = entries_.find(key);
  if (entry == entries_.end()) return std::nullopt;
  return entry->second.front().object;
}

void Wish::withdraw(const Claimant& who, Before& before) {
  const auto keys = keys_.find(who);
  if (keys == keys_.end()) return;
  for (const ObjectKey& key : keys->second) {
    before.try_emplace(key, wished(key));
    const auto entry = entries_.find(key);
    std::erase_if(entry->second, [&who](const Claim& claim) { return claim.who == who; });
    if (entry->second.empty()) entries_.erase(entry);
  }
  keys_.erase(keys);
}

void Wish::enter(const Claimant& who, const NetState& state, Before& before) {
  for (KernelObject& object : objects_of(state)) {
    const ObjectKey key = key_of(object);
    before.try_emplace(key, wished(key));
    auto& claims = entries_[key];
    const auto at = std::lower_bound(
        claims.begin(), claims.end(), who,
        [](const Claim& claim, const Claimant& other) { return claim.who < other; });
    if (at != claims.end() && at->who == who) continue;
    claims.insert(at, {who, std::move(object)});
    keys_[who].push_back(key);
  }
}

std::vector<KernelChange> Wish::replace(Claims claims) {
  Before before;
  for (const auto& [who, state] : claims) {
    withdraw(who, before);
    enter(who, state, before);
  }
  std::vector<KernelChange> changes;
  for (const auto& [key, old] : before) {
    note_contest(key);
    auto now = wished(key);
    if (now == old) continue;
    if (now) {
      changes.push_back({Op::put, *std::move(now)});
    } else {
      changes.push_back({Op::remove, *old});
    }
  }
  put_in_safe_order(changes);
  return changes;
}

std::vector<ObjectKey> Wish::keys_of(const Claimant& who) const {
  const auto keys = keys_.find(who);
  return keys == keys_.end() ? std::vector<ObjectKey>{} : keys->second;
}

NetState Wish::state() const {
  NetState state;
  for (const auto& [key, claims] : entries_)
    add(state, claims.front().object);
  return state;
}

void Wish::note_contest(const ObjectKey& key) {
  const auto entry = entries_.find(key);
  const bool contested =
      entry != entries_.end() &&
      std::any_of(entry->second.begin(), entry->second.end(),
                  [&](const Claim& claim) { return claim.object != entry->second.front().object; });
  if (contested) {
    contested_.insert(key);
  } else {
    contested_.erase(key);
  }
}

std::map<std::string, std::string> Wish::conflicts(std::size_t most) const {
  std::map<std::string, std::string> lost;
  for (const ObjectKey& key : contested_) {
    const auto& claims = entries_.at(key);
    for (const Claim& claim : claims) {
      if (lost.size() >= most) return lost;
      if (claim.object == claims.front().object) continue;
      lost.emplace(to_string(claim.object), "wished by " + name_of(claim.who) + ", but " +
                                                name_of(claims.front().who) + " wishes " +
                                                to_string(claims.front().object));
    }
  }
  return lost;
}

}  // namespace flannel
