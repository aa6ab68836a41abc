// SPDX-License-Identifier: Apache-2.0
// Periodically checks whether the state of this host, apart from the underlay, keeps packets of the
// overlay from passing. plan/host_troubles.h decides it.
#pragma once

#include <functional>
#include <vector>

#include "base/result.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "plan/host_troubles.h"

namespace flannel {

// Loop thread only.
class HostCheck {
 public:
  struct Parts {
    Loop& loop;                                       // must outlive the check
    std::function<std::vector<HostQuery>()> queries;  // one for each family; called once a check
    std::function<Result<HostState>(const HostQuery&)> read_state;
    std::function<OverlayView(Family)> overlay;  // returns the current state of the overlay
    std::function<void()> on_state;              // troubles() has changed
  };

  explicit HostCheck(Parts parts);

  // Checks now, and from then on once a minute. If a check takes long because the host has many
  // routes, checks are made less often, so that they take at most one hundredth of the time.
  void check();
  // The state may have changed: makes one check in about a second, however often this is called.
  void suspect();

  // Returns the problems and their remedies.
  const std::vector<HostTrouble>& troubles() const { return troubles_; }

 private:
  std::vector<HostTrouble> read_troubles();

  Parts parts_;
  std::vector<HostTrouble> troubles_;
  Duration took_ = Duration::zero();
  Timer timer_{parts_.loop, [this] { check(); }};
};

}  // namespace flannel
