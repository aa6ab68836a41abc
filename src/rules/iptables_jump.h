// SPDX-License-Identifier: Apache-2.0
// Lines for iptables-restore that keep one rule of ours in a chain of another program, once and in
// its place. Rules are given and compared as iptables-save prints them.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace flannel {

// Lines after which `chain` has `rule` once, ahead of the first rule for which `is_end` is true, or
// anywhere if there is no such rule. If `rule` has to be added, it is added right before that rule,
// or at the end. `have`: the rules of the chain.
std::string keep_ahead(const std::string& chain, const std::string& rule,
                       std::vector<std::string> have,
                       const std::function<bool(std::string_view)>& is_end);

// Lines that delete the rules of `chain` for which `is_ours` is true.
std::string delete_rules(const std::string& chain, const std::vector<std::string>& have,
                         const std::function<bool(std::string_view)>& is_ours);

// `lines` as one change of `table` ("nat"); empty if `lines` is empty.
std::string in_table(std::string_view table, const std::string& lines);

}  // namespace flannel
