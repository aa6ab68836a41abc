// SPDX-License-Identifier: Apache-2.0
#include "probe/mtu_search.h"

namespace flannel {

ProbeSizes MtuSearch::begin() {
  due_ = kNever;
  return sizes();
}

ProbeSizes MtuSearch::sizes() const {
  if (phase_ == Phase::both) return {full_, full_};
  if (phase_ == Phase::to) return {tried_, is_echo_ ? tried_ : least_};
  return {to_.value_or(full_), tried_};
}

void MtuSearch::on_fate(TimePoint now, bool answered) {
  if (answered) {
    losses_ = 0;
    return passed(now);
  }
  if (++losses_ < kLosses) return rest(now, kPause);
  losses_ = 0;
  lost(now);
}

void MtuSearch::passed(TimePoint now) {
  if (phase_ != Phase::both) return bisect(now, true);
  if (in_trouble_ && ++passes_ < 2) return rest(now, kPause);
  in_trouble_ = false;
  to_ = back_ = full_;
  rest(now, kCheckEvery);
}

void MtuSearch::lost(TimePoint now) {
  if (phase_ != Phase::both) return bisect(now, false);
  passes_ = 0;
  const bool is_known = in_trouble_ && to_ && back_;
  in_trouble_ = true;
  if (is_known) return rest(now, kCheckInTrouble);
  begin_phase(Phase::to, full_);
  rest(now, kPause);
}

void MtuSearch::begin_phase(Phase phase, std::uint16_t most) {
  phase_ = phase;
  low_ = least_;
  high_ = most;
  tried_ = most;
}

// A packet of low_ bytes passes, and none of more than high_.
void MtuSearch::bisect(TimePoint now, bool passes) {
  if (passes) {
    low_ = tried_;
  } else {
    high_ = static_cast<std::uint16_t>(tried_ - 1);
  }
  if (low_ >= high_) return end_phase(now);
  tried_ = static_cast<std::uint16_t>(low_ + (high_ - low_ + 1) / 2);
  rest(now, kPause);
}

void MtuSearch::end_phase(TimePoint now) {
  if (phase_ == Phase::to) {
    to_ = low_;
    if (!is_echo_) {
      begin_phase(Phase::back, *to_);
      return rest(now, kPause);
    }
  }
  back_ = low_;
  phase_ = Phase::both;
  rest(now, kCheckInTrouble);
}

void MtuSearch::rest(TimePoint now, Duration pause) {
  due_ = now + pause;
}

void MtuSearch::start_over(TimePoint now) {
  *this = MtuSearch(least_, full_, is_echo_);
  due_ = now;
}

}  // namespace flannel
