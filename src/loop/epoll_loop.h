// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/fd.h"
#include "loop/loop.h"

namespace flannel {

// The real loop: epoll, one timerfd on CLOCK_BOOTTIME, one eventfd for posts.
class EpollLoop final : public Loop {
 public:
  static Result<std::unique_ptr<EpollLoop>> open();
  ~EpollLoop() override;

  // Runs turns until stop() is called. Returns an epoll failure.
  Result<void> run();
  // Ends run() after the current turn. Loop thread only; other threads post it.
  void stop() { stopped_ = true; }

  // Runs `received` with the number of each of `signals` that arrives. Blocks them for the calling
  // thread and all threads that it starts later, so it must be called before any thread is started.
  [[nodiscard]] Result<SubscriptionPtr> on_signals(std::initializer_list<int> signals,
                                                   std::function<void(int signal)> received);

  TimePoint now() const override { return now_; }
  Result<SubscriptionPtr> watch_fd(int fd, std::uint32_t events,
                                   std::function<void(std::uint32_t)> ready) override;
  SubscriptionPtr at(TimePoint when, std::function<void()> expired) override;
  std::shared_ptr<Poster> poster() override;

 private:
  class Mailbox;
  class FdWatch;
  class Timer;
  class SignalWatch;
  using FdHandlers = std::unordered_map<std::uint64_t, std::function<void(std::uint32_t)>>;
  using TimerKey = std::pair<TimePoint, std::uint64_t>;  // the number orders equal times

  EpollLoop(Fd epoll, Fd timer, std::shared_ptr<Mailbox> mailbox);
  Result<void> turn();
  void arm_timer();
  void run_expired();

  Fd epoll_;
  Fd timer_;
  std::shared_ptr<Mailbox> mailbox_;
  // The key is a number that is never reused. An event whose watch was dropped in the same turn, or
  // whose fd number was reused, finds no handler and is ignored.
  FdHandlers handlers_;
  std::uint64_t next_key_ = 1;
  std::map<TimerKey, std::function<void()>> timers_;
  TimePoint armed_for_ = kNever;
  TimePoint now_ = BootClock::now();
  bool stopped_ = false;
};

}  // namespace flannel
