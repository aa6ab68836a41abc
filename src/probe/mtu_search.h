// SPDX-License-Identifier: Apache-2.0
// Finds out whether packets of the full size pass to a peer and back, and if not, which do.
//
//   rest ── kCheckEvery ──▶ both ── answered ──▶ rest (in_trouble: twice)
//                            │ kLosses lost
//                            ▼
//             to, then back: bisected ──▶ rest (in_trouble), for kCheckInTrouble
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace flannel {

// The lengths of a request and of the answer that it asks for.
struct ProbeSizes {
  std::uint16_t to = 0;
  std::uint16_t back = 0;
  bool operator==(const ProbeSizes&) const = default;
};

// Pure: gets the time and the fate of each check. To be used while short packets pass.
class MtuSearch {
 public:
  static constexpr std::chrono::seconds kCheckEvery{120};
  static constexpr std::chrono::seconds kCheckInTrouble{10};
  static constexpr std::chrono::milliseconds kPause{100};
  static constexpr int kLosses = 3;  // a size passes if one of so many packets does

  // `least`: the length of a short packet. `is_echo`: an answer is as long as its request.
  MtuSearch(std::uint16_t least, std::uint16_t full, bool is_echo)
      : least_(least), full_(full), is_echo_(is_echo) {}

  // When the next check is due; kNever: one is under way.
  TimePoint due() const { return due_; }
  // Returns the sizes of the check that is due, whose fate is to follow.
  ProbeSizes begin();
  void on_fate(TimePoint now, bool answered);
  // The path is another one.
  void start_over(TimePoint now);

  bool in_trouble() const { return in_trouble_; }
  // The longest packets that are known to pass; nullopt: not known.
  std::optional<std::uint16_t> to() const { return to_; }
  std::optional<std::uint16_t> back() const { return back_; }

 private:
  enum class Phase : std::uint8_t { both, to, back };

  ProbeSizes sizes() const;
  void passed(TimePoint now);
  void lost(TimePoint now);
  void bisect(TimePoint now, bool passes);
  void begin_phase(Phase phase, std::uint16_t most);
  void end_phase(TimePoint now);
  void rest(TimePoint now, Duration pause);

  // Ordered by size: there is a search for each peer.
  TimePoint due_{};
  std::uint16_t least_;
  std::uint16_t full_;
  std::uint16_t low_ = 0;   // passes
  std::uint16_t high_ = 0;  // the longest size that may still pass
  std::uint16_t tried_ = 0;
  std::optional<std::uint16_t> to_ = {};
  std::optional<std::uint16_t> back_ = {};
  bool is_echo_;
  Phase phase_ = Phase::both;
  bool in_trouble_ = false;
  std::uint8_t losses_ = 0;  // in a row, of the present size
  std::uint8_t passes_ = 0;  // in a row, of the full size
};

}  // namespace flannel
