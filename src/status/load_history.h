// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "base/clock.h"

namespace flannel {

// What the devices of the overlay have carried so far, as the kernel counts it.
struct CarriedBytes {
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
};

struct LoadSample {
  TimePoint at;
  std::optional<double> received = {};  // bytes a second since the sample before; nullopt: unknown
  std::optional<double> sent = {};
  std::optional<std::chrono::microseconds> rtt = {};  // the median of all peers; nullopt: none
  bool operator==(const LoadSample&) const = default;
};

// The throughput of the overlay on this host, and the round trip times, over the last hour.
class LoadHistory {
 public:
  static constexpr Duration kEvery = std::chrono::seconds(10);
  static constexpr std::size_t kMost = 360;

  // Appends a sample, which is later than those before. `carried`: nullopt if it is not known.
  // After a device was made anew its counters are smaller, and the rate is unknown once.
  void add(TimePoint at, std::optional<CarriedBytes> carried,
           std::optional<std::chrono::microseconds> rtt);
  const std::deque<LoadSample>& samples() const { return samples_; }

 private:
  std::optional<CarriedBytes> last_;  // of the last sample
  std::deque<LoadSample> samples_;    // oldest first
};

}  // namespace flannel
