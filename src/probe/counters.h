// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace flannel {

// Counts short probes of all paths since the start. One thread counts, any thread reads.
class ProbeCounters {
 public:
  // Upper bounds of round trip times, in seconds.
  static constexpr std::array kBounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                         0.025,  0.05,    0.1,    0.25,  0.5,    1.0};
  struct Counts {
    std::uint64_t sent = 0;
    std::array<std::uint64_t, kBounds.size() + 1> answered = {};  // between two bounds each
    double rtt_sum = 0;                                           // seconds
  };

  void count_sent() { sent_.fetch_add(1, std::memory_order_relaxed); }
  void count_answered(Duration rtt) {
    const double seconds = std::chrono::duration<double>(rtt).count();
    std::size_t at = 0;
    while (at < kBounds.size() && seconds > kBounds[at])
      ++at;
    answered_[at].fetch_add(1, std::memory_order_relaxed);
    rtt_sum_ns_.fetch_add(static_cast<std::uint64_t>(rtt.count()), std::memory_order_relaxed);
  }

  Counts read() const {
    Counts counts{.sent = sent_.load(std::memory_order_relaxed)};
    for (std::size_t i = 0; i < answered_.size(); ++i)
      counts.answered[i] = answered_[i].load(std::memory_order_relaxed);
    counts.rtt_sum = static_cast<double>(rtt_sum_ns_.load(std::memory_order_relaxed)) / 1e9;
    return counts;
  }

 private:
  std::atomic<std::uint64_t> sent_{0};
  std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> answered_{};
  std::atomic<std::uint64_t> rtt_sum_ns_{0};
};

}  // namespace flannel
