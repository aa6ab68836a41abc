// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace flannel {

// A Random that always returns the greatest number, which gives the longest pause.
inline std::uint64_t last_chance(std::uint64_t bound) {
  return bound - 1;
}

}  // namespace flannel
