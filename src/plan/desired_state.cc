// SPDX-License-Identifier: Apache-2.0
#include "plan/desired_state.h"

#include <algorithm>

#include "plan/diff.h"

namespace flannel {
namespace {

std::string name_of(const Owner& owner) {
  return owner ? to_string(*owner) : "this host";
}

}  // namespace

std::optional<KernelObject> DesiredState::winner(const ObjectKey& key) const {
  const auto found = objects_.find(key);
  if (found == objects_.end()) return std::nullopt;
  return found->second.front().object;
}

void DesiredState::withdraw(const Owner& owner, Before& before) {
  const auto keys = keys_.find(owner);
  if (keys == keys_.end()) return;
  for (const ObjectKey& key : keys->second) {
    before.try_emplace(key, winner(key));
    const auto found = objects_.find(key);
    std::erase_if(found->second, [&owner](const Entry& entry) { return entry.owner == owner; });
    if (found->second.empty()) objects_.erase(found);
  }
  keys_.erase(keys);
}

void DesiredState::enter(const Owner& owner, const NetState& state, Before& before) {
  for (KernelObject& object : objects_of(state)) {
    const ObjectKey key = key_of(object);
    before.try_emplace(key, winner(key));
    auto& entries = objects_[key];
    const auto at = std::lower_bound(
        entries.begin(), entries.end(), owner,
        [](const Entry& entry, const Owner& other) { return entry.owner < other; });
    if (at != entries.end() && at->owner == owner) continue;
    entries.insert(at, {owner, std::move(object)});
    keys_[owner].push_back(key);
  }
}

std::vector<KernelChange> DesiredState::replace(Parts parts) {
  Before before;
  for (const auto& [owner, state] : parts) {
    withdraw(owner, before);
    enter(owner, state, before);
  }
  std::vector<KernelChange> changes;
  for (const auto& [key, old] : before) {
    update_contested(key);
    auto now = winner(key);
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

std::vector<ObjectKey> DesiredState::keys_of(const Owner& owner) const {
  const auto keys = keys_.find(owner);
  return keys == keys_.end() ? std::vector<ObjectKey>{} : keys->second;
}

NetState DesiredState::state() const {
  NetState state;
  for (const auto& [key, entries] : objects_)
    add(state, entries.front().object);
  return state;
}

void DesiredState::update_contested(const ObjectKey& key) {
  const auto found = objects_.find(key);
  const bool contested =
      found != objects_.end() &&
      std::any_of(found->second.begin(), found->second.end(),
                  [&](const Entry& entry) { return entry.object != found->second.front().object; });
  if (contested) {
    contested_.insert(key);
  } else {
    contested_.erase(key);
  }
}

std::map<std::string, std::string> DesiredState::conflicts(std::size_t most) const {
  std::map<std::string, std::string> lost;
  for (const ObjectKey& key : contested_) {
    const auto& entries = objects_.at(key);
    for (const Entry& entry : entries) {
      if (lost.size() >= most) return lost;
      if (entry.object == entries.front().object) continue;
      lost.emplace(to_string(entry.object), "wanted by " + name_of(entry.owner) + ", but " +
                                                name_of(entries.front().owner) + " wants " +
                                                to_string(entries.front().object));
    }
  }
  return lost;
}

}  // namespace flannel
