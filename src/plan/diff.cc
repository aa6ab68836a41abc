// SPDX-License-Identifier: Apache-2.0
#include "plan/diff.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace flannel {
namespace {

std::vector<KernelObject> by_key(const NetState& state) {
  const auto before = [](const auto& a, const auto& b) { return key_view(a) < key_view(b); };
  std::vector<KernelObject> objects = objects_of(state);
  // The desired state is sorted already.
  const bool is_sorted = std::is_sorted(objects.begin(), objects.end(), before);
  if (!is_sorted) std::stable_sort(objects.begin(), objects.end(), before);
  return objects;
}

const Link* find(const std::vector<Link>& links, const std::string& name) {
  const auto at = std::find_if(links.begin(), links.end(),
                               [&name](const Link& link) { return link.name == name; });
  return at == links.end() ? nullptr : &*at;
}

bool changes_mac(const Link& have, const Link& want) {
  const auto before = mac_of(have.kind);
  const auto after = mac_of(want.kind);
  return before && after && *before != *after;
}

// The objects that the kernel drops when the device that they are on is changed.
struct Losses {
  std::set<std::string> emptied;        // recreated or removed: all objects on them go
  std::set<std::string> no_neighbours;  // a change of MAC flushes even permanent ones

  Losses(const NetState& have, const NetState& want) {
    for (const Link& link : have.links) {
      const Link* wanted = find(want.links, link.name);
      if (!wanted || needs_new_device(link, *wanted)) {
        emptied.insert(link.name);
      } else if (changes_mac(link, *wanted)) {
        no_neighbours.insert(link.name);
      }
    }
  }

  bool loses(const KernelObject& object) const {
    if (std::holds_alternative<Shared<Link>>(object)) return false;
    const std::string& device = device_of(object);
    if (emptied.contains(device)) return true;
    return std::holds_alternative<Neighbour>(object) && no_neighbours.contains(device);
  }
};

Op op_for(const KernelObject& have, const KernelObject& want) {
  const auto* before = std::get_if<Shared<Link>>(&have);
  const auto* after = std::get_if<Shared<Link>>(&want);
  return before && after && needs_new_device(*before, *after) ? Op::recreate : Op::put;
}

struct Changes {
  std::vector<KernelChange> puts;
  std::vector<KernelChange> removals;

  // `there`: the objects that the kernel has under the identity of `want`. Only routes can be
  // several, if another program added a second one.
  void compare(const std::vector<const KernelObject*>& there, const KernelObject* want) {
    const bool right = want && std::any_of(there.begin(), there.end(),
                                           [want](const auto* one) { return *one == *want; });
    if (want && !right) puts.push_back({there.empty() ? Op::put : op_for(*there[0], *want), *want});
    // A put replaces one of them; the kernel chooses which.
    if (want && !right && there.size() == 1) return;
    for (const KernelObject* one : there) {
      if (!want || *one != *want) removals.push_back({Op::remove, *one});
    }
  }
};

}  // namespace

std::string_view to_string(Op op) {
  switch (op) {
    case Op::put:
      return "put";
    case Op::recreate:
      return "recreate";
    case Op::remove:
      return "remove";
  }
  return "unknown";
}

void put_in_safe_order(std::vector<KernelChange>& changes) {
  std::stable_sort(changes.begin(), changes.end(), [](const auto& a, const auto& b) {
    const bool a_removes = a.op == Op::remove;
    const bool b_removes = b.op == Op::remove;
    if (a_removes != b_removes) return b_removes;
    return a_removes ? key_view(b.object) < key_view(a.object)
                     : key_view(a.object) < key_view(b.object);
  });
}

bool needs_new_device(const Link& have, const Link& want) {
  return needs_new_device(have.kind, want.kind);
}

std::vector<KernelChange> diff(const NetState& have, const NetState& want) {
  const Losses losses(have, want);
  const std::vector<KernelObject> there = by_key(have);
  const std::vector<KernelObject> wanted = by_key(want);
  Changes changes;
  auto in_kernel = there.begin();
  auto desired = wanted.begin();
  while (in_kernel != there.end() || desired != wanted.end()) {
    const bool kernel_first =
        desired == wanted.end() ||
        (in_kernel != there.end() && key_view(*in_kernel) < key_view(*desired));
    const ObjectKeyView key = key_view(kernel_first ? *in_kernel : *desired);
    std::vector<const KernelObject*> same;
    for (; in_kernel != there.end() && key_view(*in_kernel) == key; ++in_kernel) {
      if (!losses.loses(*in_kernel)) same.push_back(&*in_kernel);
    }
    const KernelObject* object = nullptr;
    for (; desired != wanted.end() && key_view(*desired) == key; ++desired) {
      if (!object) object = &*desired;
    }
    changes.compare(same, object);
  }
  std::vector<KernelChange> ordered = std::move(changes.puts);
  ordered.insert(ordered.end(), std::make_move_iterator(changes.removals.rbegin()),
                 std::make_move_iterator(changes.removals.rend()));
  return ordered;
}

}  // namespace flannel
