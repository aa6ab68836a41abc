// SPDX-License-Identifier: Apache-2.0
// A loop for tests, whose time stands still until the test advances it.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "loop/loop.h"

namespace flannel {

class ManualLoop final : public Loop {
 public:
  TimePoint now() const override { return now_; }

  Result<SubscriptionPtr> watch_fd(int, std::uint32_t,
                                   std::function<void(std::uint32_t)>) override {
    return fail(ErrorKind::unsupported, "the manual loop watches no fds");
  }

  SubscriptionPtr at(TimePoint when, std::function<void()> expired) override {
    const TimerKey key{when, next_++};
    timers_.emplace(key, std::move(expired));
    return std::make_unique<Timer>(*this, key);
  }

  std::shared_ptr<Poster> poster() override { return posts_; }

  // Runs posted closures and expired timers until none are left. The time does not change.
  void run_until_idle() {
    for (;;) {
      if (auto work = posts_->take()) {
        work();
      } else if (!timers_.empty() && timers_.begin()->first.first <= now_) {
        auto expired = std::move(timers_.begin()->second);
        timers_.erase(timers_.begin());
        expired();
      } else {
        return;
      }
    }
  }

  // Advances the time and stops at every timer on the way.
  void advance(Duration by) {
    const TimePoint end = now_ + by;
    run_until_idle();
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      now_ = std::max(now_, timers_.begin()->first.first);
      run_until_idle();
    }
    now_ = end;
  }

 private:
  using TimerKey = std::pair<TimePoint, int>;

  class Timer final : public Subscription {
   public:
    Timer(ManualLoop& loop, TimerKey key) : loop_(loop), key_(key) {}
    ~Timer() override { loop_.timers_.erase(key_); }

   private:
    ManualLoop& loop_;
    TimerKey key_;
  };

  class Posts final : public Poster {
   public:
    void post(std::function<void()> work) override {
      const std::lock_guard lock(mutex_);
      queue_.push_back(std::move(work));
    }
    std::function<void()> take() {
      const std::lock_guard lock(mutex_);
      if (queue_.empty()) return nullptr;
      auto work = std::move(queue_.front());
      queue_.pop_front();
      return work;
    }

   private:
    std::mutex mutex_;
    std::deque<std::function<void()>> queue_;
  };

  TimePoint now_{std::chrono::hours(1)};
  std::map<TimerKey, std::function<void()>> timers_;
  int next_ = 0;
  std::shared_ptr<Posts> posts_ = std::make_shared<Posts>();
};

}  // namespace flannel
