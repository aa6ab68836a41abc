// SPDX-License-Identifier: Apache-2.0
// All chance of a simulated run: one seed, one sequence, on every machine.
#pragma once

#include <cstdint>

#include "base/backoff.h"
#include "base/clock.h"

namespace flannel::simulation {

class Chance {
 public:
  explicit Chance(std::uint64_t seed) : state_(seed) {}

  // [0, bound), bound > 0
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  bool percent(unsigned share) { return below(100) < share; }
  Duration between(Duration least, Duration most) {
    return least + Duration(static_cast<Duration::rep>(
                       below(static_cast<std::uint64_t>((most - least).count()) + 1)));
  }
  // What the code under test draws from.
  Random random() {
    return [this](std::uint64_t bound) { return below(bound); };
  }

 private:
  std::uint64_t next() {  // splitmix64
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  std::uint64_t state_;
};

}  // namespace flannel::simulation
