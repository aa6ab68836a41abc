// SPDX-License-Identifier: Apache-2.0
// Periodically checks whether the state of this host, apart from the underlay, keeps packets of the
// overlay from passing. plan/host_problems.h decides it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/result.h"
#include "daemon/host.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "plan/host_problems.h"

namespace flannel {

// Loop thread only.
class HostCheck {
 public:
  struct Parts {
    Loop& loop;                                       // must outlive the check
    Host& host;                                       // must outlive the check
    std::function<std::vector<HostQuery>()> queries;  // one for each family; called once a check
    std::function<OverlayView(Family)> overlay;       // returns the current state of the overlay
    std::function<void()> on_state;                   // problems() has changed
  };

  explicit HostCheck(Parts parts);

  // Checks now, and from then on once a minute. If a check takes long because the host has many
  // routes, checks are made less often, so that they take at most one hundredth of the time.
  void check();
  // The state may have changed: makes one check in about a second, however often this is called.
  void suspect();

  const std::vector<Problem>& problems() const { return problems_; }

 private:
  std::vector<Problem> find_problems();
  void count_refused(const HostQuery& query, HostState& state);

  Parts parts_;
  std::vector<Problem> problems_;
  std::optional<std::uint64_t> refused_sources_;  // as the last check read it
  Duration took_ = Duration::zero();
  Timer timer_{parts_.loop, [this] { check(); }};
};

}  // namespace flannel
