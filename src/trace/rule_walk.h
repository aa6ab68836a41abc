// SPDX-License-Identifier: Apache-2.0
// Follows a packet through the rules of a packet filter, of whatever program, and finds the rule
// that drops it. Nothing is sent and nothing is changed: the rules are read, and each was asked
// whether it matches the packet.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "trace/packet.h"

namespace flannel::trace {

enum class Action {
  pass_on,  // has no effect on whether the packet passes: a counter, a mark
  accept,
  drop,  // or reject
  jump,  // to the chain `target`, and back at its end
  go_to,
  leave,  // back to the chain from which this one was called; in a base chain: its policy
};

// A rule, as it applies to one packet.
struct Rule {
  std::string text;  // as its program prints it
  Answer matches = Answer::unknown;
  Action action = Action::pass_on;
  std::string target{};  // a chain of the same table
};

struct Chain {
  std::vector<Rule> rules;
  bool drops_at_end = false;  // the policy of a base chain
};

// A chain that the kernel calls at a hook. Chains of one hook are called in the order of their
// priorities; an accept ends one of them, a drop all.
struct BaseChain {
  Hook hook = Hook::forward;
  int priority = 0;
  std::string chain;
  bool is_certain = true;  // false: the packet may pass another device than that of the chain
};

struct Table {
  std::string name;  // "nftables table inet firewalld", "iptables table filter"
  std::map<std::string, Chain> chains;
  std::vector<BaseChain> bases;
};

// A rule, or a policy, that drops the packet.
struct Drop {
  std::string where;       // "iptables table filter, chain DOCKER-USER"
  std::string rule;        // "-s 10.5.0.0/16 -j DROP", "policy drop"
  bool is_certain = true;  // false: whether it is reached, or matches, is not known
};

// Returns what drops the packet in the order of the hooks. It ends with the first certain drop.
// Chains that call each other in a circle, which no kernel has, are followed to a bounded depth.
std::vector<Drop> find_drops(const std::vector<Table>& tables);

}  // namespace flannel::trace
