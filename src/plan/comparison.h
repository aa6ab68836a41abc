// SPDX-License-Identifier: Apache-2.0
// The kernel against the desired state, for people: what differs and not what is to be done (that
// is diff.h).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "plan/net_state.h"

namespace flannel {

// An object that is desired and missing, or is there and not desired. An object with a wrong value
// is both: the one that is there, and the one that is desired.
struct Difference {
  bool missing = false;
  KernelObject object;
  std::string why{};  // the kernel refused the last change of it; empty: none was refused
};

struct Comparison {
  std::size_t desired = 0;  // objects
  std::vector<Difference> differences{};
};

// The differences are in the order in which objects can be put; of one identity, what is there
// comes before what is desired.
Comparison compare(const NetState& have, const NetState& want);

}  // namespace flannel
