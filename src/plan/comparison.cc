// SPDX-License-Identifier: Apache-2.0
#include "plan/comparison.h"

#include <algorithm>
#include <span>

namespace flannel {
namespace {

std::vector<KernelObject> sorted(const NetState& state) {
  std::vector<KernelObject> objects = objects_of(state);
  std::ranges::stable_sort(objects,
                           [](const auto& a, const auto& b) { return key_view(a) < key_view(b); });
  return objects;
}

// Appends the objects in `some` that have no equal in `others`, which have the same identity.
void append_unequal(std::span<const KernelObject> some, std::span<const KernelObject> others,
                    bool missing, std::vector<Difference>& all) {
  for (const KernelObject& one : some) {
    if (std::ranges::find(others, one) == others.end()) all.push_back({missing, one});
  }
}

// Returns the objects at the beginning that have this identity, and removes them from `objects`.
std::span<const KernelObject> take(std::span<const KernelObject>& objects,
                                   const ObjectKeyView& key) {
  const auto end = std::ranges::find_if(
      objects, [&key](const KernelObject& object) { return key_view(object) != key; });
  const auto taken = objects.first(static_cast<std::size_t>(end - objects.begin()));
  objects = objects.subspan(taken.size());
  return taken;
}

}  // namespace

Comparison compare(const NetState& have, const NetState& want) {
  const std::vector<KernelObject> there = sorted(have);
  const std::vector<KernelObject> desired = sorted(want);
  Comparison comparison{.desired = desired.size()};
  std::span<const KernelObject> left(there);
  std::span<const KernelObject> right(desired);
  while (!left.empty() || !right.empty()) {
    const bool left_first =
        right.empty() || (!left.empty() && key_view(left.front()) < key_view(right.front()));
    const ObjectKeyView key = key_view(left_first ? left.front() : right.front());
    const auto some = take(left, key);
    const auto others = take(right, key);
    append_unequal(some, others, false, comparison.differences);
    append_unequal(others, some, true, comparison.differences);
  }
  return comparison;
}

}  // namespace flannel
