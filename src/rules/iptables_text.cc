// SPDX-License-Identifier: Apache-2.0
#include "rules/iptables_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "base/parse.h"
#include "rules/iptables_jump.h"
#include "rules/iptables_names.h"

namespace flannel {
namespace {

using Rules = std::vector<std::string>;

// A chain of ours, and the chain that jumps to it.
struct OwnChain {
  const char* table;
  const char* name;
  const char* comment;
  const char* parent;
  // The first rule that matches decides. If not, networks that share the chain may have their rules
  // in any order.
  bool in_order = true;

  std::string jump() const {
    return fmt::format("-m comment --comment \"{}\" -j {}", comment, name);
  }
};

constexpr OwnChain kMasquerade{"nat", "FLANNEL-POSTRTG", "flanneld masq", "POSTROUTING"};
constexpr OwnChain kSeparate{"mangle", "FLANNEL-SEPARATE", "flanneld separate", "FORWARD", false};
constexpr OwnChain kForward{"filter", "FLANNEL-FWD", "flanneld forward", "FORWARD"};

std::string address(const char* option, const std::optional<AddressMatch>& match) {
  if (!match) return {};
  return fmt::format("{}{} {} ", match->inverted ? "! " : "", option, to_string(match->net));
}

std::string target(Verdict verdict, bool fully_random) {
  switch (verdict) {
    case Verdict::accept:
      return "-j ACCEPT";
    case Verdict::drop:
      return "-j DROP";
    case Verdict::leave:
      return "-j RETURN";
    case Verdict::masquerade:
      return fully_random ? "-j MASQUERADE --random-fully" : "-j MASQUERADE";
  }
  return {};
}

// Renders in the order of iptables-save: addresses, mark, comment, target.
std::string render(const Rule& rule, const char* comment, bool fully_random) {
  std::string text = address("-s", rule.from) + address("-d", rule.to);
  if (rule.marked) text += fmt::format("-m mark --mark {0:#x}/{0:#x} ", kForeignMasqueradeMark);
  if (comment) text += fmt::format("-m comment --comment \"{}\" ", comment);
  return text + target(rule.verdict, fully_random);
}

Rules render_all(const std::vector<Rule>& rules, const char* comment, bool fully_random) {
  Rules texts;
  for (const Rule& rule : rules)
    texts.push_back(render(rule, comment, fully_random));
  return texts;
}

bool contains(const Rules& rules, const std::string& rule) {
  return std::find(rules.begin(), rules.end(), rule) != rules.end();
}

// True if `have` has all of `wanted` in this order; other rules may stand between them.
bool contains_in_order(const Rules& have, const Rules& wanted) {
  auto next = wanted.begin();
  for (const std::string& rule : have) {
    if (next != wanted.end() && rule == *next) ++next;
  }
  return next == wanted.end();
}

bool contains_all(const Rules& have, const Rules& wanted) {
  return std::ranges::all_of(wanted, [&](const std::string& rule) { return contains(have, rule); });
}

// The rules that flannel v0.10 … v0.19 put straight into the parent: with and without a comment
// (v0.16 and earlier had none), and with and without random ports.
Rules rules_of_old(const OwnChain& chain, std::vector<Rule> rules, const IpPrefix& network) {
  if (chain.parent == kMasquerade.parent) {
    const AddressMatch inside{network, false};
    rules.push_back({inside, inside, false, Verdict::leave});
  }
  Rules old;
  for (const Rule& rule : rules) {
    if (rule.marked) continue;  // those releases had no such rule
    for (const char* comment : {static_cast<const char*>(nullptr), chain.comment}) {
      for (const bool fully_random : {false, true})
        old.push_back(render(rule, comment, fully_random));
    }
  }
  return old;
}

// Lines after which `parent` jumps to our chain once and has no rules of old releases.
std::string parent_lines(const OwnChain& chain, const Rules& have, const Rules& old) {
  auto is_old = [&](std::string_view rule) { return contains(old, std::string(rule)); };
  Rules rest = have;
  std::erase_if(rest, is_old);
  return delete_rules(chain.parent, have, is_old) +
         keep_ahead(chain.parent, chain.jump(), std::move(rest),
                    [](std::string_view rule) { return rule == "-j RETURN"; });
}

// True for a rule of another flannel on this host, in the chain that all of them use: it names
// networks, and none of them overlaps ours.
bool is_of_another(std::string_view rule, const IpPrefix& network) {
  bool others = false;
  for (const std::string_view word : split(rule, ' ')) {
    const auto net = IpPrefix::parse(word);
    if (net && net->overlaps(network)) return false;
    others = others || net;
  }
  return others;
}

Rules rules_of_another(const IptablesTable& table, const OwnChain& chain, const IpPrefix& network) {
  Rules rules = table.in(chain.name);
  std::erase_if(rules, [&](const std::string& rule) { return !is_of_another(rule, network); });
  return rules;
}

// Lines that fill the chain with `wanted` and then `others`. The rule about the mark is common to
// all networks; each needs it ahead of its other rules.
std::string fill(const OwnChain& chain, const Rules& wanted, const Rules& others) {
  std::string lines = fmt::format(":{} - [0:0]\n", chain.name);  // makes the chain, or empties it
  for (const Rules* rules : {&wanted, &others}) {
    for (const std::string& rule : *rules)
      lines += fmt::format("-A {} {}\n", chain.name, restorable(rule));
  }
  return lines;
}

std::string change(const OwnChain& chain, const IptablesTable& table, const std::vector<Rule>& list,
                   const RuleSet& rules, IptablesMoment moment) {
  if (list.empty()) return {};
  const Rules wanted = render_all(list, chain.comment, rules.fully_random);
  const bool fresh = moment == IptablesMoment::start;
  Rules own = table.in(chain.name);
  Rules others = fresh ? rules_of_another(table, chain, rules.network) : own;
  std::erase_if(others, [&](const std::string& rule) { return contains(wanted, rule); });
  const bool complete = chain.in_order ? contains_in_order(own, wanted) : contains_all(own, wanted);
  std::erase_if(own, [&](const std::string& rule) { return contains(others, rule); });
  const bool exact = chain.in_order ? own == wanted : own.size() == wanted.size();
  const bool filled = table.has(chain.name) && complete && (!fresh || exact);
  const Rules old = fresh ? rules_of_old(chain, list, rules.network) : Rules();
  return in_table(chain.table, (filled ? std::string() : fill(chain, wanted, others)) +
                                   parent_lines(chain, table.in(chain.parent), old));
}

// The jump as v0.16.2 … v0.19 put it straight into the parent.
bool has_comment(const OwnChain& chain, std::string_view rule) {
  return rule.find(fmt::format("--comment \"{}\" ", chain.comment)) != std::string_view::npos;
}

// Removes the jumps to the chain, the chain itself, and rules of the parent for which `is_old` is
// true.
std::string removal_lines(const OwnChain& chain, const IptablesTable& table,
                          const std::function<bool(std::string_view)>& is_old) {
  const std::string target = fmt::format("-j {}", chain.name);
  std::string lines;
  for (const auto& [parent, rules] : table.rules) {
    lines += delete_rules(parent, rules, [&, is_parent = parent == chain.parent](auto rule) {
      return rule.ends_with(target) || (is_parent && is_old(rule));
    });
  }
  if (table.has(chain.name)) lines += fmt::format("-F {0}\n-X {0}\n", chain.name);
  return lines;
}

std::string removal(const OwnChain& chain, const IptablesTable& table) {
  return in_table(chain.table, removal_lines(chain, table, [&](std::string_view rule) {
                    return has_comment(chain, rule);
                  }));
}

// Rules of another flannel stay, and so does the jump to them.
std::string handover(const OwnChain& chain, const IptablesTable& table,
                     const std::vector<Rule>& list, const RuleSet& rules) {
  const Rules old = rules_of_old(chain, list, rules.network);
  auto is_old = [&](std::string_view rule) { return contains(old, std::string(rule)); };
  const Rules others = rules_of_another(table, chain, rules.network);
  if (others.empty()) {
    return in_table(chain.table, removal_lines(chain, table, [&](std::string_view rule) {
                      return is_old(rule) ||
                             (has_comment(chain, rule) && !is_of_another(rule, rules.network));
                    }));
  }
  Rules kept = table.in(chain.name);
  std::erase_if(kept, [&](const std::string& rule) {
    return !contains(others, rule) && rule.find("--mark") == std::string::npos;
  });
  const bool has_ours = kept != table.in(chain.name);
  return in_table(chain.table, (has_ours ? fill(chain, kept, {}) : std::string()) +
                                   delete_rules(chain.parent, table.in(chain.parent), is_old));
}

}  // namespace

const std::vector<std::string>& IptablesTable::in(const std::string& chain) const {
  static const Rules none;
  const auto found = rules.find(chain);
  return found == rules.end() ? none : found->second;
}

IptablesTable parse_iptables(std::string_view saved, std::string_view name) {
  IptablesTable table;
  bool inside = false;
  for (const std::string_view line : split(saved, '\n')) {
    if (line.starts_with('*')) inside = line.substr(1) == name;
    if (!inside || line.size() < 2) continue;
    if (line.starts_with(':')) {  // ":FORWARD DROP [0:0]"
      const auto words = split(line.substr(1), ' ');
      if (words.size() >= 2) table.policies[std::string(words[0])] = words[1];
    } else if (line.starts_with("-A ")) {
      const std::string_view rest = line.substr(3);
      const auto blank = rest.find(' ');
      if (blank == std::string_view::npos) continue;
      table.rules[std::string(rest.substr(0, blank))].emplace_back(trim(rest.substr(blank)));
    }
  }
  return table;
}

bool forward_may_drop(const IptablesTable& filter) {
  const auto policy = filter.policies.find("FORWARD");
  return filter.has("DOCKER-USER") || (policy != filter.policies.end() && policy->second == "DROP");
}

std::string nat_change(const RuleSet& rules, const IptablesTable& nat, IptablesMoment moment) {
  return change(kMasquerade, nat, rules.masquerade, rules, moment);
}

std::string filter_change(const RuleSet& rules, const IptablesTable& filter,
                          IptablesMoment moment) {
  return change(kForward, filter, rules.forward, rules, moment);
}

std::string mangle_change(const RuleSet& rules, const IptablesTable& mangle,
                          IptablesMoment moment) {
  return change(kSeparate, mangle, rules.separate, rules, moment);
}

std::string nat_handover(const RuleSet& rules, const IptablesTable& nat) {
  return handover(kMasquerade, nat, rules.masquerade, rules);
}

std::string filter_handover(const RuleSet& rules, const IptablesTable& filter) {
  return handover(kForward, filter, rules.forward, rules);
}

std::string mangle_handover(const RuleSet& rules, const IptablesTable& mangle) {
  return handover(kSeparate, mangle, rules.separate, rules);
}

std::string nat_removal(const IptablesTable& nat) {
  return removal(kMasquerade, nat);
}

std::string filter_removal(const IptablesTable& filter) {
  return removal(kForward, filter);
}

std::string mangle_removal(const IptablesTable& mangle) {
  return removal(kSeparate, mangle);
}

}  // namespace flannel
