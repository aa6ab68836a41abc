// SPDX-License-Identifier: Apache-2.0
#include "base/random.h"

#include <memory>
#include <random>

namespace flannel {

Random make_random() {
  auto engine = std::make_shared<std::mt19937_64>(std::random_device{}());
  return [engine](std::uint64_t bound) {
    return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(*engine);
  };
}

}  // namespace flannel
