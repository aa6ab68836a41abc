// SPDX-License-Identifier: Apache-2.0
// A bound for each kind of log line: what others can repeat as often as they like must not fill the
// disk. Of one kind the first lines of a second are written, the others are a number.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace flannel {

// Without a lock and a clock of its own.
class LineLimit {
 public:
  static constexpr std::uint64_t kMost = 10;
  static constexpr std::chrono::seconds kPeriod{1};

  // Whether to write a line of this kind, that is with this message; if not, it is counted.
  bool admits(std::string_view kind, TimePoint now);

  struct HeldBack {
    std::string kind;
    std::uint64_t lines = 0;
    Duration within{};
  };
  // The kinds that had more lines than were written in a period that is over. Each is told once.
  std::vector<HeldBack> take_ended(TimePoint now);
  // When there will be some; kNever: nothing is held back.
  TimePoint next_end() const { return next_end_; }

 private:
  struct Kind {
    TimePoint began;
    std::uint64_t lines = 0;
  };

  // Messages are texts of ours, and few; those beyond so many within a second are one kind.
  static constexpr std::size_t kMostKinds = 256;
  static constexpr std::string_view kOthers = "other lines";

  void forget_ended(TimePoint now);

  std::map<std::string, Kind, std::less<>> kinds_;
  TimePoint next_end_ = kNever;
};

}  // namespace flannel
