// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "loop/loop.h"

namespace flannel {

// Another loop, by which the parts of one network run: each line that they log names the network.
class NetworkLoop final : public Loop {
 public:
  // `loop` must outlive this object, which must outlive all watches and timers that it made. An
  // empty `network`: lines name none.
  NetworkLoop(Loop& loop, std::string network) : loop_(loop), network_(std::move(network)) {}

  TimePoint now() const override { return loop_.now(); }
  Result<SubscriptionPtr> watch_fd(int fd, std::uint32_t events,
                                   std::function<void(std::uint32_t)> ready) override;
  SubscriptionPtr at(TimePoint when, std::function<void()> expired) override;
  std::shared_ptr<Poster> poster() override;

 private:
  Loop& loop_;
  std::string network_;
};

}  // namespace flannel
