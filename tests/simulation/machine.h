// SPDX-License-Identifier: Apache-2.0
// A machine as a process on it sees time: CLOCK_BOOTTIME, and pauses in which nothing runs.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "loop/loop.h"
#include "simulation/timeline.h"

namespace flannel::simulation {

class Machine {
 public:
  using Work = Timeline::Work;
  enum class Pause {
    none,
    asleep,  // suspended: the clock counts on
    frozen,  // stopped by its hypervisor: the clock stands
  };

  explicit Machine(Timeline& timeline) : timeline_(timeline) { boot(); }

  // The clock begins anew.
  void boot() { zero_ = timeline_.now() - std::chrono::seconds(10); }
  TimePoint clock() const { return TimePoint(timeline_.now() - zero_); }
  TimePoint outside(TimePoint local) const {
    const auto far = std::chrono::hours(24 * 365 * 50);
    return local - clock() > far ? timeline_.now() + far : zero_ + local.time_since_epoch();
  }

  bool runs() const { return pause_ == Pause::none; }
  void pause(Pause how) {
    pause_ = how;
    paused_at_ = timeline_.now();
  }
  void resume();

  // Runs `work` of a process now, or when the machine runs again; never if `process` has ended.
  void deliver(std::weak_ptr<int> process, Work work);

  // Around each piece of work of a process.
  Work before_turn = [] {};
  Work on_turn = [] {};

 private:
  Timeline& timeline_;
  TimePoint zero_;
  Pause pause_ = Pause::none;
  TimePoint paused_at_;
  std::deque<std::pair<std::weak_ptr<int>, Work>> waiting_;
};

// The loop of one process.
class HostLoop final : public Loop {
 public:
  HostLoop(Timeline& timeline, Machine& machine) : timeline_(timeline), machine_(machine) {}

  TimePoint now() const override { return machine_.clock(); }
  Result<SubscriptionPtr> watch_fd(int, std::uint32_t,
                                   std::function<void(std::uint32_t)>) override {
    return fail(ErrorKind::unsupported, "a simulated loop watches no fds");
  }
  SubscriptionPtr at(TimePoint when, std::function<void()> expired) override;
  std::shared_ptr<Poster> poster() override;

  std::weak_ptr<int> process() const { return process_; }

 private:
  struct Timer;
  struct Due {
    TimePoint when;
    std::function<void()> expired;
  };
  void arm(std::uint64_t number, TimePoint when);
  void fire(std::uint64_t number);

  Timeline& timeline_;
  Machine& machine_;
  std::map<std::uint64_t, Due> timers_;
  std::uint64_t next_ = 0;
  std::shared_ptr<int> process_ = std::make_shared<int>(0);
};

}  // namespace flannel::simulation
