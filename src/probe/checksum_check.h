// SPDX-License-Identifier: Apache-2.0
// Finds out whether packets whose checksums the kernel leaves to a device arrive, as those of
// containers are.
//
//   rest ── kEvery ──▶ an ordinary datagram ── passed ──▶ rest (in_trouble: twice)
//                       │ kLosses lost or damaged
//                       ▼
//                      in_trouble ── kInTrouble ──▶ the next one
#pragma once

#include <chrono>

#include "base/clock.h"

namespace flannel {

// Pure: gets the time and the fate of each datagram. To be used while other probes pass.
class ChecksumCheck {
 public:
  static constexpr std::chrono::seconds kEvery{120};
  static constexpr std::chrono::seconds kInTrouble{10};
  static constexpr std::chrono::milliseconds kPause{300};
  // On a way that loses every fifth packet, so many are lost in a row once in 3,000 checks.
  static constexpr int kLosses = 5;

  enum class Fate { passed, lost, damaged };

  // When the next datagram is due; kNever: one is under way.
  TimePoint due() const { return due_; }
  // The datagram that is due is sent, and its fate is to follow.
  void begin() { due_ = kNever; }
  void on_fate(TimePoint now, Fate fate);
  // Its fate says nothing: other probes were lost, too.
  void again(TimePoint now) { due_ = now + kPause; }
  // The path is another one.
  void start_over(TimePoint now);

  bool in_trouble() const { return in_trouble_; }
  // The last datagram has arrived, with a wrong checksum.
  bool arrives_damaged() const { return last_ == Fate::damaged; }

 private:
  TimePoint due_{};
  int losses_ = 0;  // in a row
  int passes_ = 0;  // in a row
  bool in_trouble_ = false;
  Fate last_ = Fate::passed;
};

}  // namespace flannel
