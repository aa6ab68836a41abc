// SPDX-License-Identifier: Apache-2.0
// Checks the current state of the underlay, and exchanges it for another choice if it is gone, or
// if the options ask for another one. plan/underlay_state.h decides it.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <vector>

#include "base/problem.h"
#include "daemon/host.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "plan/underlay_choice.h"

namespace flannel {

// Loop thread only.
class UnderlayCheck {
 public:
  struct Parts {
    Loop& loop;  // must outlive the check
    Host& host;  // must outlive the check
    UnderlayRequest request;
    Underlay used;
    // Uses another underlay from now on, or the same one with another name, index or MTU. A failure
    // changes nothing.
    std::function<Result<void>(const Underlay&)> use;
    std::function<void()> on_checked;  // after each check: routes to other hosts may have changed
    std::function<void()> on_state;    // problems() has changed
  };

  explicit UnderlayCheck(Parts parts);

  // Another choice must last so long: an interface that is configured anew loses its address and
  // its default route for a moment.
  static constexpr std::chrono::seconds kSettle{4};

  // Reads the interfaces of the host and compares. While there is a problem the check is repeated
  // every 5 s, because there are no notifications of some changes, for example of a default route.
  void check();

  // Checks from now on what `request` asks for; `used` is the choice for it, unless that of a wish
  // is still due.
  void set_request(UnderlayRequest request, Underlay used);
  // Checks, and chooses the underlay by another request. As long as there is no such choice, or it
  // cannot be used, the one in use stays, problems() says why, and each check tries again.
  void set_wish(UnderlayRequest request);

  const std::vector<Problem>& problems() const { return problems_; }

 private:
  std::vector<Problem> find_problems();
  Result<void> use(const Underlay& underlay);
  Result<void> choose_by_wish(const HostView& view);
  void follow(const Underlay& present, std::vector<Problem>& problems);
  void consider(const UnderlayChoice& next, std::vector<Problem>& problems);

  Parts parts_;
  bool is_choice_due_ = false;  // the underlay in use was chosen by another request
  std::vector<Problem> problems_;
  std::optional<Underlay> next_;  // that is to take the place of the one in use
  TimePoint next_since_{};
  Timer retry_{parts_.loop, [this] { check(); }};
};

}  // namespace flannel
