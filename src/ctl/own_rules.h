// SPDX-License-Identifier: Apache-2.0
// The packet filter rules that flanneld made, in nftables and in each iptables of the host.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace flannel {

struct OwnRules {
  std::vector<std::string> lines;  // "nftables: table ip flannel-10.5.0.0-16", what is there
  std::function<Result<void>()> remove;
};

// One for each packet filter that has some. What could not be looked at is a sentence in `unseen`.
std::vector<OwnRules> find_own_rules(std::vector<std::string>& unseen);

}  // namespace flannel
