// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "trace/packet.h"
#include "trace/rule_walk.h"

namespace flannel::trace {

// The elements of the sets and maps of one table, by their names.
using NftSets = std::map<std::string, const nlohmann::json*>;

// What a rule of nftables does with the packet. A rule with a map of verdicts becomes one rule for
// each of its elements; `expressions` is the member `expr` of a rule, in the JSON of
// libnftables(5).
std::vector<Rule> nft_rules(const nlohmann::json& expressions, const std::string& text,
                            const NftSets& sets, const Packet& packet);

}  // namespace flannel::trace
