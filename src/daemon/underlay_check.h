// SPDX-License-Identifier: Apache-2.0
// How the underlay that was chosen at the start does now: plan/underlay_state.h, asked of the host.
#pragma once

#include <functional>
#include <vector>

#include "loop/loop.h"
#include "plan/host_trouble.h"
#include "plan/underlay_choice.h"

namespace flannel {

// Loop thread only.
class UnderlayCheck {
 public:
  struct Parts {
    Loop& loop;  // outlives the check
    std::function<Result<HostView>()> look_at_host;
    UnderlayRequest request;
    Underlay used;
    // The same interface has another name or index.
    std::function<void(const Underlay&)> on_renamed;
    std::function<void()> on_checked;  // after each check: ways to other hosts may have changed
    std::function<void()> on_state;    // troubles() is another
  };

  explicit UnderlayCheck(Parts parts);

  // Reads the host's interfaces and compares. Repeats itself every 5 s while there is a trouble:
  // the kernel does not notify of everything that matters, a default route say.
  void check();

  // What is wrong, with the remedy.
  const std::vector<HostTrouble>& troubles() const { return troubles_; }

 private:
  std::vector<HostTrouble> look();

  Parts parts_;
  std::vector<HostTrouble> troubles_;
  SubscriptionPtr retry_;
};

}  // namespace flannel
