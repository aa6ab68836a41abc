// SPDX-License-Identifier: Apache-2.0
// The event loop: its thread owns all state, and other threads post to it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/result.h"
#include "base/subscription.h"

namespace flannel {

// Posts closures to the loop from any thread, and may outlive the loop; a closure posted after the
// loop has ended is dropped. Worker threads share it.
class Poster {
 public:
  virtual ~Poster() = default;
  virtual void post(std::function<void()> work) = 0;
};

class Loop {
 public:
  virtual ~Loop() = default;

  // The time at which the current turn began. The clock is read once per turn, so that all
  // decisions of a turn use the same time.
  virtual TimePoint now() const = 0;

  // Runs `ready` with the epoll events (EPOLLIN ...) of `fd` whenever it is ready. The caller owns
  // `fd` and must drop the subscription before it closes `fd`.
  [[nodiscard]] virtual Result<SubscriptionPtr> watch_fd(
      int fd, std::uint32_t events, std::function<void(std::uint32_t events)> ready) = 0;

  // Calls `expired` once, in the first turn at or after `when`. Time in suspend counts.
  [[nodiscard]] virtual SubscriptionPtr at(TimePoint when, std::function<void()> expired) = 0;

  // May be called on any thread.
  virtual std::shared_ptr<Poster> poster() = 0;
};

}  // namespace flannel
