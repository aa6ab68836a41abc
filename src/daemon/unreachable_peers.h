// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "core/lease.h"

namespace flannel {

// The peers that cannot be reached, with the reason.
class UnreachablePeers {
 public:
  // The number that named() holds; the others are counted in more().
  static constexpr std::size_t kMostNamed = 100;

  void put(const SubnetKey& subnet, const std::string& why);
  void erase(const SubnetKey& subnet);
  // Returns why this peer cannot be reached; nullopt: it can, as far as the kernel is concerned.
  std::optional<std::string> why(const SubnetKey& subnet) const;
  bool empty() const { return named_.empty() && more_.empty(); }
  const std::map<std::string, std::string>& named() const { return named_; }
  std::size_t more() const { return more_.size(); }

 private:
  std::map<std::string, std::string> named_;
  std::set<SubnetKey> more_;
};

}  // namespace flannel
