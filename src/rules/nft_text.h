// SPDX-License-Identifier: Apache-2.0
// A rule set as commands for nft. Each network of each family has a table of its own, so several
// daemons on a host have one each, and a kernel that refuses the rules of one family keeps those of
// the other. No other table is changed, except those that ours replaces.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rules/rule_set.h"

namespace flannel {

// "ip flannel-10.5.0.0-16", "ip6 flannel-fd00_12__-56": a name in nft may have no colon.
std::string nft_table(const IpPrefix& network);

// True for a table that flanneld made for any network; earlier releases called it "ip flannel".
bool is_flannel_nft_table(std::string_view table);

// The inverse of nft_table(); nullopt for any other table.
std::optional<IpPrefix> network_of_nft_table(std::string_view table);

// Those of `tables`, all tables of the host, that the table of `network` replaces: of an earlier
// release, of flannel upstream, and for a network that overlaps `network`. A host has no two
// networks that overlap, so the last kind is from before the network was changed. Upstream makes
// its table of IPv6 also for a network without IPv6, so that table belongs to both families.
std::vector<std::string> nft_tables_before(std::span<const std::string> tables,
                                           const IpPrefix& network);

// Commands for one transaction that write our table with exactly these rules and remove the tables
// `gone`. Without any rule our table is removed too.
std::string render_nft(const RuleSet& rules, std::span<const std::string> gone = {});

// Commands that remove these tables, whether they exist or not.
std::string remove_nft_tables(std::span<const std::string> tables);

}  // namespace flannel
