// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace flannel {

// A change of a table, chain or rule of nftables; iptables over nftables keeps its rules there too.
// `chain` is empty if the table itself changed. The names are valid during the call that has them.
struct RuleChange {
  std::string_view table, chain;
};

}  // namespace flannel
