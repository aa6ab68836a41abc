// SPDX-License-Identifier: Apache-2.0
#include "probe/checksum_check.h"

namespace flannel {

void ChecksumCheck::on_fate(TimePoint now, Fate fate) {
  last_ = fate;
  if (fate == Fate::passed) {
    losses_ = 0;
    const bool is_over = !in_trouble_ || ++passes_ >= 2;
    if (is_over) in_trouble_ = false;
    due_ = is_over ? now + kEvery : now + kPause;
    return;
  }
  passes_ = 0;
  if (++losses_ >= kLosses) in_trouble_ = true;
  due_ = in_trouble_ ? now + kInTrouble : now + kPause;
}

void ChecksumCheck::start_over(TimePoint now) {
  *this = ChecksumCheck();
  due_ = now;
}

}  // namespace flannel
