// SPDX-License-Identifier: Apache-2.0
// A rule set in the language of nft, in a table of its own for each network: several daemons on a
// host have one each. No other table is touched, but for those that ours replaces.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rules/rule_set.h"

namespace flannel {

std::string nft_table(const Cidr4& network);  // "ip flannel-10.5.0.0-16"

// Made by flanneld, for whatever network; "ip flannel" by an earlier release.
bool is_flannel_nft_table(std::string_view table);

// Of "ip flannel-10.5.0.0-16"; nothing: the table is another.
std::optional<Cidr4> network_of_nft_table(std::string_view table);

// Of all tables of the host those that the table of `network` takes the place of: an earlier
// release's, one for a network that overlaps it, those of flannel upstream. A host has no two
// networks that overlap, so such a one is from before the network was changed.
std::vector<std::string> nft_tables_before(std::span<const std::string> tables,
                                           const Cidr4& network);

// Commands for one transaction that make our table be exactly this, whatever it was, and `gone` go.
// No rules: ours goes too.
std::string render_nft(const RuleSet& rules, std::span<const std::string> gone = {});

// Commands that make these tables go, whether they are there or not.
std::string remove_nft_tables(std::span<const std::string> tables);

}  // namespace flannel
