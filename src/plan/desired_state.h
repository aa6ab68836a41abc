// SPDX-License-Identifier: Apache-2.0
// The kernel objects that this host wants, and their owners. An object may have several owners, for
// example the FDB entry that two subnets of one host share. It is removed when its last owner
// withdraws it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "plan/kernel.h"
#include "plan/net_state.h"

namespace flannel {

// A peer, by its subnet; nullopt: this host itself. If two owners want different objects of one
// identity, the host takes precedence over peers, and a lower subnet over a higher one.
using Owner = std::optional<IpPrefix>;

class DesiredState {
 public:
  using Parts = std::vector<std::pair<Owner, NetState>>;

  // Replaces the state of each owner in `parts`; an empty state removes the owner. Returns the
  // changes of the whole desired state, in safe order (diff.h). The cost depends on the objects of
  // these owners only.
  std::vector<KernelChange> replace(Parts parts);

  bool contains(const ObjectKey& key) const { return objects_.contains(key); }
  std::vector<ObjectKey> keys_of(const Owner& owner) const;
  // The whole desired state, with one object of each identity.
  NetState state() const;
  // The objects that another object of the same identity takes precedence over, with the reason; at
  // most `most`.
  std::map<std::string, std::string> conflicts(std::size_t most) const;
  // The number of identities whose owners want different objects.
  std::size_t contested() const { return contested_.size(); }

 private:
  struct Entry {
    Owner owner;
    KernelObject object;
  };
  using Before = std::map<ObjectKey, std::optional<KernelObject>>;

  std::optional<KernelObject> winner(const ObjectKey& key) const;
  void withdraw(const Owner& owner, Before& before);
  void enter(const Owner& owner, const NetState& state, Before& before);
  void update_contested(const ObjectKey& key);

  std::map<ObjectKey, std::vector<Entry>> objects_;  // never empty; sorted by `owner`
  std::map<Owner, std::vector<ObjectKey>> keys_;     // never empty
  std::set<ObjectKey> contested_;
};

}  // namespace flannel
