// SPDX-License-Identifier: Apache-2.0
#include "simulation/machine.h"

namespace flannel::simulation {

void Machine::resume() {
  if (pause_ == Pause::frozen) zero_ += timeline_.now() - paused_at_;
  pause_ = Pause::none;
  // What waits is done one piece an event, so that a crash or a new pause may come between.
  for (auto& [process, work] : std::exchange(waiting_, {})) {
    timeline_.after(Duration::zero(), [this, process = process, work = std::move(work)]() mutable {
      deliver(process, std::move(work));
    });
  }
}

void Machine::deliver(std::weak_ptr<int> process, Work work) {
  if (process.expired()) return;
  if (!runs()) {
    waiting_.emplace_back(std::move(process), std::move(work));
    return;
  }
  before_turn();
  work();
  on_turn();
}

struct HostLoop::Timer final : Subscription {
  Timer(HostLoop& of_loop, std::uint64_t of_number)
      : loop(of_loop), process(of_loop.process()), number(of_number) {}
  ~Timer() override {
    if (!process.expired()) loop.timers_.erase(number);
  }

  HostLoop& loop;
  std::weak_ptr<int> process;  // a call on its way may outlive it
  std::uint64_t number;
};

SubscriptionPtr HostLoop::at(TimePoint when, std::function<void()> expired) {
  const std::uint64_t number = next_++;
  timers_.emplace(number, Due{when, std::move(expired)});
  arm(number, when);
  return std::make_unique<Timer>(*this, number);
}

void HostLoop::arm(std::uint64_t number, TimePoint when) {
  timeline_.at(machine_.outside(when), [this, process = process(), number] {
    if (process.expired() || !timers_.contains(number)) return;
    machine_.deliver(process, [this, number] { fire(number); });
  });
}

void HostLoop::fire(std::uint64_t number) {
  const auto timer = timers_.find(number);
  if (timer == timers_.end()) return;
  if (timer->second.when > now()) {  // the clock has stood still meanwhile
    arm(number, timer->second.when);
    return;
  }
  const auto expired = std::move(timer->second.expired);
  timers_.erase(timer);
  expired();
}

std::shared_ptr<Poster> HostLoop::poster() {
  struct Posts final : Poster {
    Posts(Timeline& of_timeline, Machine& of_machine, std::weak_ptr<int> of_process)
        : timeline(of_timeline), machine(of_machine), process(std::move(of_process)) {}
    void post(std::function<void()> work) override {
      timeline.after(Duration::zero(), [&to = machine, whose = process, work = std::move(work)] {
        to.deliver(whose, work);
      });
    }
    Timeline& timeline;
    Machine& machine;
    std::weak_ptr<int> process;
  };
  return std::make_shared<Posts>(timeline_, machine_, process_);
}

}  // namespace flannel::simulation
