// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <vector>

#include "core/kept_state.h"
#include "daemon/host.h"
#include "loop/loop.h"
#include "loop/timer.h"

namespace flannel {

// Has the host keep what is known of the network, rarely, and has it forget that as soon as its
// lease is not this host's any more. Loop thread only.
class StateSaver {
 public:
  // A new lease, or another record of it, is kept after this time, and all other changes at least
  // kPause after what was kept last, or a tenth of the life of the lease if that is less.
  static constexpr std::chrono::seconds kSoon{1};
  static constexpr std::chrono::minutes kPause{5};

  struct Parts {  // all must outlive the saver
    Loop& loop;
    Host& host;
    // Our lease, if a next run could go on with it. nullopt: it is not ours, or not known to be.
    std::function<std::optional<KeptLease>()> lease;
    // All but the lease, the clock and the store.
    std::function<KeptState()> state;
    std::function<std::vector<ListedLease>()> leases;
  };

  explicit StateSaver(Parts parts) : parts_(std::move(parts)) {}

  // To be called whenever the lease or anything else may have changed, from the moment that this
  // run takes part in the network.
  void look();
  // What an earlier run knew is of no use.
  void forget();

 private:
  void save();

  Parts parts_;
  std::optional<KeptState> saved_;  // as it was kept last by this run
  bool may_be_kept_ = true;         // also by an earlier run
  TimePoint next_{};                // the earliest time for what need not be kept soon
  Timer timer_{parts_.loop, [this] { save(); }};
};

}  // namespace flannel
