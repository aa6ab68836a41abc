// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "filter/iptables.h"
#include "loop/loop.h"
#include "rules/firewall_plan.h"
#include "rules/rule_set.h"

namespace flannel {

// Chooses the iptables of a host that our rules of one family belong into: the first that is
// installed, unless it drops no forwarded packets and a later one does. Loop thread only.
class IptablesSearch {
 public:
  struct Found {
    std::unique_ptr<Iptables> iptables;
    std::string saved;  // the output of its -save program
  };
  // Runs no iptables program for a variant absent from `places`. `loop` outlives the search.
  IptablesSearch(Loop& loop, Family family, IptablesPlaces places);

  // Calls `found` once, at once or in a later turn; it may destroy the search.
  // ErrorKind::not_found: none is installed; any other kind: none of the installed ones printed its
  // rules.
  void start(std::function<void(Result<Found>)> found);
  // After that: removes what does the same as `rules` from those that were not chosen. Calls `done`
  // once; it may destroy the search.
  void free_others(RuleSet rules, std::function<void()> done);

 private:
  void next();
  void choose();
  void free_next();

  Loop& loop_;
  const Family family_;
  const IptablesPlaces places_;
  std::function<void(Result<Found>)> found_;
  RuleSet rules_;
  std::function<void()> freed_;
  std::vector<IptablesKind> kinds_;
  std::unique_ptr<Iptables> trying_;
  std::vector<Found> candidates_;
  Error why_none_;
};

}  // namespace flannel
