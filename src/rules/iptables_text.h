// SPDX-License-Identifier: Apache-2.0
// A rule set in the language of iptables-restore, in the chains that flannel upstream uses.
//
//   nat     POSTROUTING ──▶ FLANNEL-POSTRTG
//   filter  FORWARD ──▶ FLANNEL-FWD
// What Docker's chains need besides: docker_rules.h.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rules/rule_set.h"

namespace flannel {

// One table as iptables-save prints it; empty if it is not there.
struct IptablesTable {
  std::map<std::string, std::string> policies;            // "FORWARD" -> "DROP"; of ours "-"
  std::map<std::string, std::vector<std::string>> rules;  // without the leading "-A CHAIN "

  bool has(const std::string& chain) const { return policies.contains(chain); }
  // The rules of the chain; none if it is not there.
  const std::vector<std::string>& in(const std::string& chain) const;
};

// The table `name` ("nat") in what iptables-save printed; lines that make no sense are skipped.
IptablesTable parse_iptables(std::string_view saved, std::string_view name);

// Docker, or an operator, drops what is not accepted by a rule of iptables.
bool forward_may_drop(const IptablesTable& filter);

enum class IptablesMoment {
  start,   // our chain is filled anew: what an earlier run left in it goes, for another network
           // stays
  resync,  // what is missing is added
};

// Input for `iptables-restore --noflush` that makes the table as `rules` wants it, in one step;
// empty: it is so already. At the start the rules that flannel before v0.20 put straight into
// POSTROUTING and FORWARD are removed.
std::string nat_change(const RuleSet& rules, const IptablesTable& nat, IptablesMoment moment);
std::string filter_change(const RuleSet& rules, const IptablesTable& filter, IptablesMoment moment);

// Input that makes the table free of what does the same as `rules`, which stand elsewhere now: our
// chains, and those rules of flannel before v0.20; empty: there is nothing.
std::string nat_handover(const RuleSet& rules, const IptablesTable& nat);
std::string filter_handover(const RuleSet& rules, const IptablesTable& filter);

// Input that removes our chains and all that leads to them, whatever network it was for.
std::string nat_removal(const IptablesTable& nat);
std::string filter_removal(const IptablesTable& filter);

}  // namespace flannel
