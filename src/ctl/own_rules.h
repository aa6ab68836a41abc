// SPDX-License-Identifier: Apache-2.0
// The packet filter rules that flanneld made, in nftables and in each iptables of the host.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace flannel {

struct OwnRules {
  std::vector<std::string> lines;  // "table ip flannel in nftables", what is there, for people
  std::function<Result<void>()> remove;
};

// One for each packet filter that has some. What could not be looked at is a sentence in `unseen`.
std::vector<OwnRules> find_own_rules(std::vector<std::string>& unseen);

}  // namespace flannel
