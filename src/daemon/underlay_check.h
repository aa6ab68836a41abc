// SPDX-License-Identifier: Apache-2.0
// Checks the current state of the underlay that was chosen at the start. plan/underlay_state.h
// decides it.
#pragma once

#include <functional>
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
    // Called when the same interface has another name or index.
    std::function<void(const Underlay&)> on_renamed;
    std::function<void()> on_checked;  // after each check: routes to other hosts may have changed
    std::function<void()> on_state;    // troubles() has changed
  };

  explicit UnderlayCheck(Parts parts);

  // Reads the interfaces of the host and compares. While there is a problem the check is repeated
  // every 5 s, because there are no notifications of some changes, for example of a default route.
  void check();

  // Returns the problems and their remedies.
  const std::vector<HostTrouble>& troubles() const { return troubles_; }

 private:
  std::vector<HostTrouble> read_troubles();

  Parts parts_;
  std::vector<HostTrouble> troubles_;
  Timer retry_{parts_.loop, [this] { check(); }};
};

}  // namespace flannel
