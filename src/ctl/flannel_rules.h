// SPDX-License-Identifier: Apache-2.0
// The packet filter rules that flanneld made, in nftables and in each iptables and ip6tables of
// the host.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace flannel {

struct FlannelRules {
  std::vector<std::string> lines;  // what exists: "nftables: table ip flannel-10.5.0.0-16"
  std::function<Result<void>()> remove;
};

// Returns an entry for each packet filter that has such rules. `unseen` gets a sentence for each
// packet filter that could not be read.
std::vector<FlannelRules> find_flannel_rules(std::vector<std::string>& unseen);

}  // namespace flannel
