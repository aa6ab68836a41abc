// SPDX-License-Identifier: Apache-2.0
// When to look at the packet filter: a pure timer, as firewall_plan.h is a pure decision.
//
//   idle ── begin ──▶ looking ── end ──▶ waiting ── tick: look ──▶ begin
//                        └─ on_change ──▶ changed ── end ──▶ waiting, with a look that is due soon
#pragma once

#include "base/clock.h"

namespace flannel {

class FirewallPacer {
 public:
  // Docker and others change rules in many small steps: one look serves a burst of them.
  static constexpr Duration kBurst = std::chrono::milliseconds(20);
  // Against a program that undoes our changes again and again, so many looks at once are enough
  // in one resync period; the next one waits for its end.
  static constexpr int kMaxMends = 10;

  // `resync`: between checks where the kernel reports no changes.
  explicit FirewallPacer(Duration resync) : resync_(resync) {}

  void begin();                   // a look begins
  void end(TimePoint now);        // it is over
  void on_change(TimePoint now);  // the rules, or what is wanted of them, may have changed
  void on_mend() { ++mends_; }    // a look had to put something back

  bool is_looking() const { return state_ == State::looking || state_ == State::changed; }
  // kNever while idle or looking.
  TimePoint next_wakeup() const;
  // look: begin a look. check: begin one if the rules may have changed without a notification.
  enum class Wake { nothing, check, look };
  Wake tick(TimePoint now);

 private:
  enum class State { idle, looking, changed, waiting };
  TimePoint soon(TimePoint now) const;

  const Duration resync_;
  State state_ = State::idle;
  TimePoint look_at_ = kNever;   // while waiting
  TimePoint check_at_ = kNever;  // while waiting
  int mends_ = 0;                // in the current resync period
};

}  // namespace flannel
