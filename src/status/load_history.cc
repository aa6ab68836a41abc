// SPDX-License-Identifier: Apache-2.0
#include "status/load_history.h"

namespace flannel {

void LoadHistory::add(TimePoint at, std::optional<CarriedBytes> carried,
                      std::optional<std::chrono::microseconds> rtt) {
  LoadSample sample{.at = at, .rtt = rtt};
  if (carried && last_ && carried->received >= last_->received && carried->sent >= last_->sent) {
    const double seconds = std::chrono::duration<double>(at - samples_.back().at).count();
    sample.received = static_cast<double>(carried->received - last_->received) / seconds;
    sample.sent = static_cast<double>(carried->sent - last_->sent) / seconds;
  }
  last_ = carried;
  samples_.push_back(sample);
  if (samples_.size() > kMost) samples_.pop_front();
}

}  // namespace flannel
