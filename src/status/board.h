// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "status/snapshot.h"

namespace flannel {

// Holds the latest snapshot: the loop publishes it, other threads read it. Thread-safe.
class StatusBoard {
 public:
  void publish(StatusSnapshot snapshot) {
    auto next = std::make_shared<const StatusSnapshot>(std::move(snapshot));
    const std::lock_guard lock(mutex_);
    current_.swap(next);  // the old one is destroyed outside the lock
  }

  std::shared_ptr<const StatusSnapshot> current() const {
    const std::lock_guard lock(mutex_);
    return current_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const StatusSnapshot> current_ = std::make_shared<const StatusSnapshot>();
};

}  // namespace flannel
