// SPDX-License-Identifier: Apache-2.0
// A rule of ours in a chain of others, once and in its place: in the language of iptables-restore.
// Rules are given and compared as iptables-save prints them.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace flannel {

// Lines that leave `rule` in `chain` once, somewhere ahead of the first rule that `is_end` names;
// without one, anywhere. Where it has to be put, it comes right there, or at the end. `have`: the
// rules of the chain.
std::string keep_ahead(const std::string& chain, const std::string& rule,
                       std::vector<std::string> have,
                       const std::function<bool(std::string_view)>& is_end);

// Lines that delete what `is_ours` names in `chain`.
std::string delete_rules(const std::string& chain, const std::vector<std::string>& have,
                         const std::function<bool(std::string_view)>& is_ours);

// `lines` as one change of `table` ("nat"); none are none.
std::string in_table(std::string_view table, const std::string& lines);

}  // namespace flannel
