// SPDX-License-Identifier: Apache-2.0
// A probe that an operator asks for.
#pragma once

#include <optional>
#include <vector>

#include "base/clock.h"
#include "net/address.h"
#include "probe/path.h"
#include "probe/paths.h"

namespace flannel {

struct PingRequest {
  IpAddress base;                           // with which the subnet of the peer begins
  ProbeSizes sizes = {};                    // 0: as short as can be
  std::optional<IpAddress> container = {};  // in that subnet
  bool is_own = false;  // the container is one of this host, and nothing else is asked
};

// What has answered, and how long that took; nullopt: it has not.
struct PingOutcome {
  std::optional<Duration> underlay = {};
  std::optional<Duration> overlay = {};
  std::optional<Duration> container = {};
  ProbeSizes arrived = {};  // there and back, of the answer over the overlay
};

// One ping under way. Pure.
class PingRun {
 public:
  static constexpr Duration kTimeout = std::chrono::seconds(1);

  PingRun(PingRequest request, TimePoint now) : request_(std::move(request)), began_(now) {}

  // Returns what is to be sent. Empty: there is no path to the peer.
  std::vector<ProbePaths::Outgoing> begin(ProbePaths& paths, const Nonces& nonces);
  // Take what has come in; an answer to something else has no effect.
  void on_answered(const ProbePath::Answered& answered);
  void on_arrival(TimePoint now, const ArrivedProbe& probe);
  void on_underlay(TimePoint now, const IpAddress& from, std::uint64_t nonce);

  bool is_complete() const;
  TimePoint end() const { return began_ + kTimeout; }
  const PingOutcome& outcome() const { return outcome_; }

 private:
  PingRequest request_;
  TimePoint began_;
  std::uint64_t overlay_nonce_ = 0;
  std::uint64_t other_nonce_ = 0;  // of the echoes
  IpAddress carrier_;
  PingOutcome outcome_;
};

}  // namespace flannel
