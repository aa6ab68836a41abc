// SPDX-License-Identifier: Apache-2.0
#include "daemon/unreachable_peers.h"

namespace flannel {

void UnreachablePeers::put(const SubnetKey& subnet, const std::string& why) {
  const std::string name = to_string(subnet);
  if (!named_.contains(name) && named_.size() >= kMostNamed) {
    more_.insert(subnet);
    return;
  }
  more_.erase(subnet);
  named_[name] = why;
}

void UnreachablePeers::erase(const SubnetKey& subnet) {
  if (empty()) return;
  named_.erase(to_string(subnet));
  more_.erase(subnet);
}

std::optional<std::string> UnreachablePeers::why(const SubnetKey& subnet) const {
  if (empty()) return std::nullopt;
  if (const auto named = named_.find(to_string(subnet)); named != named_.end()) {
    return named->second;
  }
  if (more_.contains(subnet)) return "as for others: too many to keep the reason of each";
  return std::nullopt;
}

}  // namespace flannel
