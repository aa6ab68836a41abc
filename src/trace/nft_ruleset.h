// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "trace/packet.h"
#include "trace/rule_walk.h"

namespace flannel::trace {

// A rule set as libnftables prints it.
struct NftListing {
  std::string_view json;  // "nft -j list ruleset"
  std::string_view text;  // "nft -a list ruleset": the words of the rules, by their handles
};

// The tables of the packet's family, and of bridges and devices that it passes, as they apply to
// it. `with_iptables`: also those that iptables-nft keeps, in which a match of iptables is not
// readable. What this program does not know makes a rule's answer unknown. ErrorKind::invalid: this
// is no such listing.
Result<std::vector<Table>> nft_tables(const NftListing& listing, const Packet& packet,
                                      bool with_iptables);

}  // namespace flannel::trace
