// SPDX-License-Identifier: Apache-2.0
// What of this host, besides the underlay, keeps packets of the overlay from passing:
// plan/host_troubles.h, asked again and again.
#pragma once

#include <functional>
#include <vector>

#include "base/result.h"
#include "loop/loop.h"
#include "plan/host_troubles.h"

namespace flannel {

// Loop thread only.
class HostCheck {
 public:
  struct Parts {
    Loop& loop;  // outlives the check
    std::function<Result<HostState>()> look;
    std::function<OverlayView()> overlay;  // as it is now
    std::function<void()> on_state;        // troubles() is another
  };

  explicit HostCheck(Parts parts);

  // Looks now, and from then on once a minute; on hosts with so many routes that a look takes long,
  // so seldom that it is at most one hundredth of the time.
  void check();
  // Something may have changed: looks within a second or so, and many changes are one look.
  void suspect();

  // What is wrong, with the remedy.
  const std::vector<HostTrouble>& troubles() const { return troubles_; }

 private:
  std::vector<HostTrouble> look();
  void check_at(TimePoint at);

  Parts parts_;
  std::vector<HostTrouble> troubles_;
  Duration took_ = Duration::zero();
  TimePoint next_ = kNever;
  SubscriptionPtr timer_;
};

}  // namespace flannel
