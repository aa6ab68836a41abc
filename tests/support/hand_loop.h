// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "loop/loop.h"

namespace flannel {

// Runs what is watched when the test says so: what the kernel sends is queued when a change
// returns.
class HandLoop final : public Loop {
 public:
  TimePoint now() const override { return {}; }
  Result<SubscriptionPtr> watch_fd(int fd, std::uint32_t,
                                   std::function<void(std::uint32_t)> ready) override {
    ready_[fd] = std::move(ready);
    return std::make_unique<Watch>(*this, fd);
  }
  SubscriptionPtr at(TimePoint, std::function<void()>) override { return nullptr; }
  std::shared_ptr<Poster> poster() override { return nullptr; }
  void turn() {
    for (const auto& [fd, ready] : std::map(ready_))
      ready(0);
  }

 private:
  struct Watch final : Subscription {
    Watch(HandLoop& of, int number) : loop(of), fd(number) {}
    ~Watch() override { loop.ready_.erase(fd); }
    HandLoop& loop;
    int fd;
  };
  std::map<int, std::function<void(std::uint32_t)>> ready_;
};

}  // namespace flannel
