// SPDX-License-Identifier: Apache-2.0
#include "daemon/state_saver.h"

#include <algorithm>
#include <utility>

#include "core/known_history.h"

namespace flannel {
namespace {

// True if nothing has happened between the two. Without a history nobody knows.
bool is_same(const KeptState& one, const KeptState& other) {
  return one.lease == other.lease && one.node == other.node && one.config == other.config &&
         one.saved.by_server == other.saved.by_server &&
         one.saved.by_hardware == other.saved.by_hardware && !one.history.empty() &&
         !other.history.empty() &&
         revision_of(one.history.back()) == revision_of(other.history.back());
}

}  // namespace

void StateSaver::look() {
  const auto lease = parts_.lease();
  if (!lease) return forget();
  const TimePoint soon = parts_.loop.now() + kSoon;
  if (!saved_ || saved_->lease.record != lease->record) {
    if (!timer_.armed() || timer_.due() > soon) timer_.arm(soon);
  } else if (!timer_.armed()) {
    timer_.arm(std::max(soon, next_));
  }
}

void StateSaver::forget() {
  timer_.cancel();
  saved_.reset();
  if (std::exchange(may_be_kept_, false)) parts_.host.forget_state();
}

void StateSaver::save() {
  auto lease = parts_.lease();
  if (!lease) return forget();
  KeptState state = parts_.state();
  state.lease = *std::move(lease);
  state.saved = parts_.host.clock();
  const bool is_lease = state.lease.life > Duration::zero();
  next_ =
      parts_.loop.now() + (is_lease ? std::min<Duration>(kPause, state.lease.life / 10) : kPause);
  if (!state.saved.is_right()) timer_.arm(next_);  // it may be right then
  if (saved_ && is_same(*saved_, state)) return;
  saved_ = state;
  may_be_kept_ = true;
  parts_.host.keep_state(std::move(state), parts_.leases());
}

}  // namespace flannel
