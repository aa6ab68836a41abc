// SPDX-License-Identifier: Apache-2.0
// The kernel objects that this host wants, and their owners. An object may have several owners, for
// example the FDB entry that two subnets of one host share. It is removed when its last owner
// withdraws it.
#pragma once

#include <absl/container/btree_set.h>

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
  // these owners only; an owner that wants the same as before costs a search.
  std::vector<KernelChange> replace(Parts parts);
  // Does the same without computing the changes, which takes half as long. The reconciler needs
  // none before its first read of the kernel.
  void replace_unread(Parts parts);

  bool contains(const ObjectKey& key) const { return entries_.contains(key_view(key)); }
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
    KernelObject object;
    Owner owner;
  };
  // By identity, then by owner: the first of each identity is the one that is desired.
  struct ByIdentity {
    using is_transparent = void;
    bool operator()(const Entry& one, const Entry& other) const;
    bool operator()(const Entry& one, const ObjectKeyView& key) const;
    bool operator()(const ObjectKeyView& key, const Entry& other) const;
  };
  using Entries = std::set<Entry, ByIdentity>;
  using Place = Entries::const_iterator;
  struct ByOwner {
    using is_transparent = void;
    bool operator()(Place one, Place other) const;
    bool operator()(Place one, const Owner& owner) const { return one->owner < owner; }
    bool operator()(const Owner& owner, Place other) const { return owner < other->owner; }
  };
  // The objects that were desired under the identities that a replacement touches.
  using Before = std::map<ObjectKey, std::optional<KernelObject>>;

  bool has(const Owner& owner, const NetState& state) const;
  std::optional<KernelObject> winner(const ObjectKeyView& key) const;
  void note(const KernelObject& object, Before* before) const;
  // `before`: may be null.
  void withdraw(const Owner& owner, Before* before);
  void enter(const Owner& owner, const NetState& state, Before* before);
  bool is_shared(Place entry) const;
  void update_contested(const ObjectKey& key);

  // An object takes some 170 bytes in the two: there are up to six for each peer.
  Entries entries_;
  absl::btree_set<Place, ByOwner> by_owner_;  // all of entries_
  std::set<ObjectKey> contested_;
};

}  // namespace flannel
