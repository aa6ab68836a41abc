// SPDX-License-Identifier: Apache-2.0
// Time as a perfect clock outside of all hosts shows it, and what is to happen when.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace flannel::simulation {

class Timeline {
 public:
  using Work = std::function<void()>;

  TimePoint now() const { return now_; }
  std::uint64_t events() const { return events_; }

  // Not before what is due now; of one moment the first asked for is the first done.
  void at(TimePoint when, Work work) {
    queue_.push_back({std::max(when, now_), next_++, std::move(work)});
    std::push_heap(queue_.begin(), queue_.end(), later);
  }
  void after(Duration wait, Work work) { at(now_ + wait, std::move(work)); }

  void run_until(TimePoint end) {
    while (!queue_.empty() && queue_.front().when <= end && !stopped_) {
      std::pop_heap(queue_.begin(), queue_.end(), later);
      Event event = std::move(queue_.back());
      queue_.pop_back();
      now_ = event.when;
      ++events_;
      event.work();
    }
    now_ = std::max(now_, end);
  }
  // Nothing happens any more.
  void stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }

 private:
  struct Event {
    TimePoint when;
    std::uint64_t number;
    Work work;
  };
  static bool later(const Event& a, const Event& b) {
    return a.when != b.when ? a.when > b.when : a.number > b.number;
  }

  TimePoint now_{std::chrono::hours(1000)};
  std::uint64_t next_ = 0;
  std::uint64_t events_ = 0;
  std::vector<Event> queue_;
  bool stopped_ = false;
};

}  // namespace flannel::simulation
