// SPDX-License-Identifier: Apache-2.0
// A rate limit for each kind of log line, because events that others can cause at will must not
// fill the disk. The first lines of each kind in a second are written; the rest are only counted.
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

// Has neither a lock nor a clock: the caller serialises the calls and passes the time.
class LineLimit {
 public:
  static constexpr std::uint64_t kMost = 10;
  static constexpr std::chrono::seconds kPeriod{1};

  // Returns true if a line with the message `kind` should be written; otherwise counts the line.
  bool admits(std::string_view kind, TimePoint now);

  struct HeldBack {
    std::string kind;
    std::uint64_t lines = 0;
    Duration within{};
  };
  // Returns, once each, the kinds of which lines were held back in a period that has ended.
  std::vector<HeldBack> take_ended(TimePoint now);
  // When take_ended() next returns a kind; kNever if no line is held back.
  TimePoint next_end() const { return next_end_; }

 private:
  struct Kind {
    TimePoint began;
    std::uint64_t lines = 0;
  };

  // The program has few distinct messages. Within a second, all further ones count as one kind.
  static constexpr std::size_t kMostKinds = 256;
  static constexpr std::string_view kOthers = "other lines";

  void forget_ended(TimePoint now);

  std::map<std::string, Kind, std::less<>> kinds_;
  TimePoint next_end_ = kNever;
};

}  // namespace flannel
