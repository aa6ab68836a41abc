// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "dataplane/forward_table.h"

namespace flannel {

// Passes the newest table from one thread to the packet threads, which never wait: a reader that
// finds the slot locked keeps its table and tries again at the next call.
class TableSlot {
 public:
  explicit TableSlot(std::shared_ptr<const ForwardTable> first) : table_(std::move(first)) {}

  void publish(std::shared_ptr<const ForwardTable> table) {
    {
      const std::lock_guard lock(mutex_);
      std::swap(table_, table);
      generation_.store(generation_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }  // the old table is destroyed here, after the lock has been released
  }

  // Each packet thread has a reader of its own.
  class Reader {
   public:
    explicit Reader(TableSlot& slot) : slot_(slot) {
      const std::lock_guard lock(slot_.mutex_);
      take();
    }
    // Returns the newest table, which stays valid until the next call.
    const ForwardTable& get() {
      if (slot_.generation_.load(std::memory_order_acquire) != seen_) {
        if (const std::unique_lock lock(slot_.mutex_, std::try_to_lock); lock) take();
      }
      return *held_;
    }

   private:
    void take() {
      held_ = slot_.table_;
      seen_ = slot_.generation_.load(std::memory_order_relaxed);
    }

    TableSlot& slot_;
    std::shared_ptr<const ForwardTable> held_;
    std::uint64_t seen_ = 0;
  };

 private:
  std::mutex mutex_;
  std::shared_ptr<const ForwardTable> table_;
  std::atomic<std::uint64_t> generation_ = 0;
};

}  // namespace flannel
