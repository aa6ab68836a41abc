// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <set>
#include <string>

namespace flannel {

// Why something keeps failing, for a log that says each reason once, however often it is tried.
class ToldReasons {
 public:
  // Endpoints that take turns have a few; texts that differ each time must not fill the log.
  static constexpr std::size_t kMost = 16;

  // Whether to say it; if so, it counts as said.
  bool is_news(const std::string& why) { return told_.size() < kMost && told_.insert(why).second; }
  // It works again: from here on everything is news.
  void clear() { told_.clear(); }

 private:
  std::set<std::string> told_;
};

}  // namespace flannel
