// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>

namespace flannel {

// Which of several endpoints of a store is used, and how often a failed call is tried again.
class EndpointRotation {
 public:
  // `count` is above 0.
  explicit EndpointRotation(std::size_t count) : count_(count) {}

  std::size_t current() const { return current_; }
  // Makes the next endpoint current, if `failed` still is.
  void move_on(std::size_t failed) {
    if (failed == current_) current_ = (current_ + 1) % count_;
  }

  // The number of attempts with which every endpoint is asked. A single endpoint is asked twice,
  // since its connection may have broken unnoticed after its last use.
  std::size_t all_attempts() const { return std::max<std::size_t>(2, count_); }
  // True if another attempt is useful. `timed_out`: the last attempt did, so asking the same
  // endpoint again would only take as long again.
  bool worth_another(bool timed_out) const { return count_ > 1 || !timed_out; }

 private:
  std::size_t count_;
  std::size_t current_ = 0;
};

}  // namespace flannel
