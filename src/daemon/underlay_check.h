// SPDX-License-Identifier: Apache-2.0
// Checks the current state of the underlay, and exchanges it for another choice if it is gone.
// plan/underlay_state.h decides it.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <vector>

#include "loop/loop.h"
#include "loop/timer.h"
#include "plan/host_trouble.h"
#include "plan/underlay_choice.h"

namespace flannel {

// Loop thread only.
class UnderlayCheck {
 public:
  struct Parts {
    Loop& loop;  // must outlive the check
    std::function<Result<HostView>()> read_host;
    UnderlayRequest request;
    Underlay used;
    // Uses another underlay from now on, or the same one with another name, index or MTU. A failure
    // changes nothing.
    std::function<Result<void>(const Underlay&)> use;
    std::function<void()> on_checked;  // after each check: routes to other hosts may have changed
    std::function<void()> on_state;    // troubles() has changed
  };

  explicit UnderlayCheck(Parts parts);

  // Another choice must last so long: an interface that is configured anew loses its address and
  // its default route for a moment.
  static constexpr std::chrono::seconds kSettle{4};

  // Reads the interfaces of the host and compares. While there is a problem the check is repeated
  // every 5 s, because there are no notifications of some changes, for example of a default route.
  void check();

  // Returns the problems and their remedies.
  const std::vector<HostTrouble>& troubles() const { return troubles_; }

 private:
  std::vector<HostTrouble> read_troubles();
  Result<void> use(const Underlay& underlay);
  void follow(const Underlay& present, std::vector<HostTrouble>& troubles);
  void consider(const UnderlayChoice& next, std::vector<HostTrouble>& troubles);

  Parts parts_;
  std::vector<HostTrouble> troubles_;
  std::optional<Underlay> next_;  // that is to take the place of the one in use
  TimePoint next_since_{};
  Timer retry_{parts_.loop, [this] { check(); }};
};

}  // namespace flannel
