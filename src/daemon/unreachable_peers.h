// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>

#include "core/lease.h"

namespace flannel {

// The peers that cannot be reached, with the reason; logs changes, and thousands of them in one
// line.
class UnreachablePeers {
 public:
  // The number that named() holds; the others are counted in more().
  static constexpr std::size_t kMostNamed = 100;

  void put(const SubnetKey& subnet, const std::string& why);
  void erase(const SubnetKey& subnet);
  // To be called after a group of changes: an interface that goes down may make thousands of peers
  // unreachable at once.
  void log_changes();

  bool empty() const { return named_.empty() && more_.empty(); }
  const std::map<std::string, std::string>& named() const { return named_; }
  std::size_t more() const { return more_.size(); }

 private:
  std::map<std::string, std::string> named_;
  std::set<SubnetKey> more_;
  std::size_t new_ = 0;  // since log_changes()
  bool logged_ = false;  // their end has not been logged
};

}  // namespace flannel
