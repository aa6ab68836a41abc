// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "trace/packet.h"
#include "trace/rule_walk.h"

namespace flannel::trace {

// The tables in the output of iptables-save or ip6tables-save, as they apply to the packet, without
// those that drop nothing (nat). `program`: "iptables", for the names of the tables. Unknown words
// of a rule make its answer unknown; lines that are no rules are skipped.
std::vector<Table> iptables_tables(std::string_view saved, const std::string& program,
                                   const Packet& packet);

// Whether this rule ("-s 10.5.0.0/16 -i eth0 -j DROP") matches the packet, and what it does then.
Rule iptables_rule(std::string_view text, const Packet& packet);

}  // namespace flannel::trace
