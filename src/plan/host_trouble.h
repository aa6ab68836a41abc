// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace flannel {

// Something of this host that keeps packets of the overlay from passing.
struct HostTrouble {
  std::string text;             // what is seen, and what to do
  bool nothing_passes = false;  // of the whole overlay; otherwise some of it works
  bool operator==(const HostTrouble&) const = default;
};

}  // namespace flannel
