// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "filter/iptables.h"
#include "loop/loop.h"
#include "rules/rule_set.h"

namespace flannel {

// Where a host has rules of iptables, or tables for them.
struct IptablesPlaces {
  bool nft = false, legacy = false;
  bool any() const { return nft || legacy; }
  bool operator==(const IptablesPlaces&) const = default;
};

// Looks through the iptables of a host for the one that our rules belong into: the first that is
// installed, unless it has nothing to do with what drops and a later one has. Loop thread only.
class IptablesSearch {
 public:
  struct Found {
    std::unique_ptr<Iptables> iptables;
    std::string saved;  // what it has said
  };
  // Of what is not in `places` no program is run. `loop` outlives it.
  IptablesSearch(Loop& loop, IptablesPlaces places);

  // Replies come once, later or at once, and may destroy it. ErrorKind::not_found: none is
  // installed; any other: none of those that are says what rules it has.
  void start(std::function<void(Result<Found>)> found);
  // Then: what does the same as `rules` goes from those that were not chosen.
  void free_others(RuleSet rules, std::function<void()> done);

 private:
  void next();
  void choose();
  void free_next();

  Loop& loop_;
  const IptablesPlaces places_;
  std::function<void(Result<Found>)> found_;
  RuleSet rules_;
  std::function<void()> freed_;
  std::vector<IptablesKind> kinds_;
  std::unique_ptr<Iptables> trying_;
  std::vector<Found> candidates_;
  Error why_none_{ErrorKind::not_found, "iptables is not installed"};
};

}  // namespace flannel
