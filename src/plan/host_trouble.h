// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace flannel {

// A fact about this host that keeps packets of the overlay from passing.
struct HostTrouble {
  std::string text;             // the observation, and what to do about it
  bool nothing_passes = false;  // false: some packets of the overlay still pass
  bool operator==(const HostTrouble&) const = default;
};

}  // namespace flannel
