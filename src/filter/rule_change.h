// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "net/address.h"

namespace flannel {

// A change of a table, chain or rule of nftables; iptables over nftables keeps its rules there too.
// `chain` is empty if the table itself changed. The names are valid during the call that has them.
struct RuleChange {
  Family family = Family::v4;
  std::string_view table, chain;
};

}  // namespace flannel
