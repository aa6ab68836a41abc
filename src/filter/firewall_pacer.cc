// SPDX-License-Identifier: Apache-2.0
#include "filter/firewall_pacer.h"

#include <algorithm>
#include <cassert>

namespace flannel {

void FirewallPacer::begin() {
  assert(!is_looking());
  state_ = State::looking;
}

void FirewallPacer::end(TimePoint now) {
  assert(is_looking());
  check_at_ = now + resync_;
  look_at_ = state_ == State::changed ? soon(now) : kNever;
  state_ = State::waiting;
}

void FirewallPacer::on_change(TimePoint now) {
  if (state_ == State::looking) state_ = State::changed;
  if (state_ == State::waiting) look_at_ = std::min(look_at_, soon(now));
}

TimePoint FirewallPacer::soon(TimePoint now) const {
  return mends_ < kMaxMends ? now + kBurst : check_at_;
}

TimePoint FirewallPacer::next_wakeup() const {
  return state_ == State::waiting ? std::min(look_at_, check_at_) : kNever;
}

FirewallPacer::Wake FirewallPacer::tick(TimePoint now) {
  if (now < next_wakeup()) return Wake::nothing;
  if (now >= check_at_) mends_ = 0;
  if (now >= look_at_) return Wake::look;
  check_at_ = now + resync_;
  return Wake::check;
}

}  // namespace flannel
