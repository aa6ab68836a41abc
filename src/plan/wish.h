// SPDX-License-Identifier: Apache-2.0
// What is wished for in the kernel, and by whom. Several may wish the same object (two subnets of
// one host share its FDB entry): it stays until the last of them is gone.
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

// A peer, by its subnet; nothing: the host itself. Where two wish different things under one
// identity, the host goes before the peers, and the lower subnet before the higher.
using Claimant = std::optional<Cidr4>;

class Wish {
 public:
  using Claims = std::vector<std::pair<Claimant, NetState>>;

  // The wish of each of these becomes this; an empty state: nothing. Returns how that changes the
  // wish as a whole, in safe order (diff.h); work only for the objects of these claimants.
  std::vector<KernelChange> replace(Claims claims);

  bool contains(const ObjectKey& key) const { return entries_.contains(key); }
  std::vector<ObjectKey> keys_of(const Claimant& who) const;
  // The whole, each identity once.
  NetState state() const;
  // Objects that lost to another of the same identity, with the reason: `most` of them.
  std::map<std::string, std::string> conflicts(std::size_t most) const;
  // Identities for which different things are wished.
  std::size_t contested() const { return contested_.size(); }

 private:
  struct Claim {
    Claimant who;
    KernelObject object;
  };
  using Before = std::map<ObjectKey, std::optional<KernelObject>>;

  std::optional<KernelObject> wished(const ObjectKey& key) const;
  void withdraw(const Claimant& who, Before& before);
  void enter(const Claimant& who, const NetState& state, Before& before);
  void note_contest(const ObjectKey& key);

  std::map<ObjectKey, std::vector<Claim>> entries_;  // never empty; sorted by `who`
  std::map<Claimant, std::vector<ObjectKey>> keys_;  // never empty
  std::set<ObjectKey> contested_;
};

}  // namespace flannel
