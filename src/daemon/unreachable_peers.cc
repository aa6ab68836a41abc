// SPDX-License-Identifier: Apache-2.0
#include "daemon/unreachable_peers.h"

#include <utility>

#include "base/log.h"

namespace flannel {
namespace {

constexpr std::size_t kLogged = 8;  // peers of one group with a line of their own

}  // namespace

void UnreachablePeers::put(const SubnetKey& subnet, const std::string& why) {
  const std::string name = to_string(subnet);
  if (!named_.contains(name) && named_.size() >= kMostNamed) {
    new_ += more_.insert(subnet).second ? 1 : 0;
    return;
  }
  more_.erase(subnet);
  std::string& reason = named_[name];
  if (reason == why) return;
  reason = why;
  if (++new_ > kLogged) return;
  log::warning("peer unreachable", {{"subnet", name}, {"why", why}});
}

void UnreachablePeers::erase(const SubnetKey& subnet) {
  if (empty()) return;
  named_.erase(to_string(subnet));
  more_.erase(subnet);
}

void UnreachablePeers::log_changes() {
  const std::size_t fresh = std::exchange(new_, 0);
  if (fresh > kLogged) {
    log::warning("peers unreachable",
                 {{"count", fresh}, {"with_those_before", named_.size() + more_.size()}});
  }
  if (std::exchange(logged_, !empty()) && empty()) log::info("every peer is reachable again");
}

}  // namespace flannel
