// SPDX-License-Identifier: Apache-2.0
// A rule set in the language of nft.
#pragma once

#include <string>

#include "rules/rule_set.h"

namespace flannel {

// Our table; nothing in any other is touched, except that those which flannel upstream made are
// removed.
inline constexpr const char* kNftTable = "ip flannel";

// Commands for one transaction that make our table be exactly this, whatever it was. No rules: that
// make it go.
std::string render_nft(const RuleSet& rules);

// Commands that remove the tables of flannel upstream, a text for each; one fails where the kernel
// has no such family.
inline constexpr const char* kNftRemoveUpstream[] = {
    "add table ip flannel-ipv4\ndelete table ip flannel-ipv4\n",
    "add table ip6 flannel-ipv6\ndelete table ip6 flannel-ipv6\n",
};

}  // namespace flannel
