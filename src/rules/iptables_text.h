// SPDX-License-Identifier: Apache-2.0
// A rule set as input for iptables-restore or ip6tables-restore, in the chains that flannel
// upstream uses. The two programs have the same language; each has tables of its own.
//
//   nat     POSTROUTING ──▶ FLANNEL-POSTRTG
//   filter  FORWARD ──▶ FLANNEL-FWD
//   mangle  FORWARD ──▶ FLANNEL-SEPARATE   ahead of what Docker accepts in filter; ours alone
// docker_rules.h has the rules in Docker's chains.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rules/rule_set.h"

namespace flannel {

// One table as iptables-save prints it; empty if it does not exist.
struct IptablesTable {
  std::map<std::string, std::string> policies;            // "FORWARD" -> "DROP"; "-" for our chains
  std::map<std::string, std::vector<std::string>> rules;  // without the leading "-A CHAIN "

  bool has(const std::string& chain) const { return policies.contains(chain); }
  // The rules of the chain; empty if it does not exist.
  const std::vector<std::string>& in(const std::string& chain) const;
};

// The table `name` ("nat") in the output of iptables-save; unknown lines are skipped.
IptablesTable parse_iptables(std::string_view saved, std::string_view name);

// True if Docker, or an operator, drops forwarded packets that no rule of iptables accepts.
bool forward_may_drop(const IptablesTable& filter);

enum class IptablesMoment {
  start,   // fill our chain anew: rules of an earlier run go, rules for another network stay
  resync,  // add what is missing
};

// Input for `iptables-restore --noflush` that gives the table the rules of `rules` in one step;
// empty if it has them already. At the start it also removes the rules that flannel before v0.20
// put straight into POSTROUTING and FORWARD.
std::string nat_change(const RuleSet& rules, const IptablesTable& nat, IptablesMoment moment);
std::string filter_change(const RuleSet& rules, const IptablesTable& filter, IptablesMoment moment);
std::string mangle_change(const RuleSet& rules, const IptablesTable& mangle, IptablesMoment moment);

// Input that removes from the table what does the same as `rules`, which another packet filter has
// now: our chains, and those rules of flannel before v0.20. Empty if there is nothing to remove.
std::string nat_handover(const RuleSet& rules, const IptablesTable& nat);
std::string filter_handover(const RuleSet& rules, const IptablesTable& filter);
std::string mangle_handover(const RuleSet& rules, const IptablesTable& mangle);

// Input that removes our chains and the jumps to them, for every network.
std::string nat_removal(const IptablesTable& nat);
std::string filter_removal(const IptablesTable& filter);
std::string mangle_removal(const IptablesTable& mangle);

}  // namespace flannel
