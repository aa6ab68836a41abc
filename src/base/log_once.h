// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <set>
#include <string>

namespace flannel {

// Decides what a log says about something that keeps failing: each reason is logged once, however
// often the attempt is repeated. Has no lock: one thread only.
class LogOnce {
 public:
  // A limit on the reasons that are remembered. Endpoints that are tried in turn give a few; texts
  // that differ at each attempt must not fill the log.
  static constexpr std::size_t kMaxReasons = 16;

  // True if `reason` is new, so that the caller should log it; the reason then counts as logged.
  bool first_time(const std::string& reason) {
    return logged_.size() < kMaxReasons && logged_.insert(reason).second;
  }
  // The operation has succeeded: every reason is new again.
  void clear() { logged_.clear(); }

 private:
  std::set<std::string> logged_;
};

}  // namespace flannel
