// SPDX-License-Identifier: Apache-2.0
#include "plan/desired_state.h"

#include <algorithm>
#include <functional>
#include <iterator>

#include "plan/diff.h"

namespace flannel {
namespace {

std::string name_of(const Owner& owner) {
  return owner ? to_string(*owner) : "this host";
}

}  // namespace

bool DesiredState::ByIdentity::operator()(const Entry& one, const Entry& other) const {
  const auto order = key_view(one.object) <=> key_view(other.object);
  return order == 0 ? one.owner < other.owner : order < 0;
}

bool DesiredState::ByIdentity::operator()(const Entry& one, const ObjectKeyView& key) const {
  return key_view(one.object) < key;
}

bool DesiredState::ByIdentity::operator()(const ObjectKeyView& key, const Entry& other) const {
  return key < key_view(other.object);
}

// Objects of one owner are in any order.
bool DesiredState::ByOwner::operator()(Place one, Place other) const {
  if (one->owner != other->owner) return one->owner < other->owner;
  return std::less<>()(&*one, &*other);
}

// True if these are the objects of the owner.
bool DesiredState::has(const Owner& owner, const NetState& state) const {
  const auto [first, last] = by_owner_.equal_range(owner);
  std::vector<const KernelObject*> ours;
  for (auto place = first; place != last; ++place)
    ours.push_back(&(*place)->object);
  return std::ranges::is_permutation(
      objects_of(state), ours, {}, {},
      [](const KernelObject* one) -> const KernelObject& { return *one; });
}

std::optional<KernelObject> DesiredState::winner(const ObjectKeyView& key) const {
  const auto first = entries_.lower_bound(key);
  const bool there = first != entries_.end() && key_view(first->object) == key;
  return there ? std::optional(first->object) : std::nullopt;
}

void DesiredState::note(const KernelObject& object, Before* before) const {
  if (before == nullptr) return;
  const auto [at, is_new] = before->try_emplace(key_of(object));
  if (is_new) at->second = winner(key_view(object));
}

void DesiredState::withdraw(const Owner& owner, Before* before) {
  const auto [first, last] = by_owner_.equal_range(owner);
  const std::vector<Place> places(first, last);
  by_owner_.erase(first, last);
  for (const Place& place : places) {
    note(place->object, before);
    const ObjectKey key = key_of(place->object);
    const bool was_shared = is_shared(place);
    entries_.erase(place);
    if (was_shared) update_contested(key);
  }
}

void DesiredState::enter(const Owner& owner, const NetState& state, Before* before) {
  for (KernelObject& object : objects_of(state)) {
    note(object, before);
    const auto [place, is_new] = entries_.insert({std::move(object), owner});
    if (!is_new) continue;
    by_owner_.insert(place);
    if (is_shared(place)) update_contested(key_of(place->object));
  }
}

// True if another owner wants an object of the same identity.
bool DesiredState::is_shared(Place entry) const {
  const ObjectKeyView key = key_view(entry->object);
  const auto next = std::next(entry);
  if (next != entries_.end() && key_view(next->object) == key) return true;
  return entry != entries_.begin() && key_view(std::prev(entry)->object) == key;
}

void DesiredState::update_contested(const ObjectKey& key) {
  const auto [first, last] = entries_.equal_range(key_view(key));
  const bool is_contested = std::any_of(
      first, last, [first = first](const Entry& entry) { return entry.object != first->object; });
  if (is_contested) {
    contested_.insert(key);
  } else {
    contested_.erase(key);
  }
}

std::vector<KernelChange> DesiredState::replace(Parts parts) {
  Before before;
  for (const auto& [owner, state] : parts) {
    if (has(owner, state)) continue;
    withdraw(owner, &before);
    enter(owner, state, &before);
  }
  std::vector<KernelChange> changes;
  for (const auto& [key, old] : before) {
    auto now = winner(key_view(key));
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

void DesiredState::replace_unread(Parts parts) {
  for (const auto& [owner, state] : parts) {
    withdraw(owner, nullptr);
    enter(owner, state, nullptr);
  }
}

std::vector<ObjectKey> DesiredState::keys_of(const Owner& owner) const {
  std::vector<ObjectKey> keys;
  const auto [first, last] = by_owner_.equal_range(owner);
  for (auto place = first; place != last; ++place)
    keys.push_back(key_of((*place)->object));
  return keys;
}

NetState DesiredState::state() const {
  NetState state;
  const Entry* before = nullptr;
  for (const Entry& entry : entries_) {
    const bool is_first = before == nullptr || key_view(before->object) != key_view(entry.object);
    if (is_first) add(state, entry.object);
    before = &entry;
  }
  return state;
}

std::map<std::string, std::string> DesiredState::conflicts(std::size_t most) const {
  std::map<std::string, std::string> lost;
  for (const ObjectKey& key : contested_) {
    const auto [first, last] = entries_.equal_range(key_view(key));
    for (auto entry = first; entry != last; ++entry) {
      if (lost.size() >= most) return lost;
      if (entry->object == first->object) continue;
      lost.emplace(to_string(entry->object), "wanted by " + name_of(entry->owner) + ", but " +
                                                 name_of(first->owner) + " wants " +
                                                 to_string(first->object));
    }
  }
  return lost;
}

}  // namespace flannel
