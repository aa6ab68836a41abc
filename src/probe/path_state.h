// SPDX-License-Identifier: Apache-2.0
// What probes of the way to one subnet of a peer have shown.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "probe/target.h"

namespace flannel {

// From the best to the worst.
enum class PathState : std::uint8_t {
  ok,           // packets pass in both ways
  never_seen,   // the peer has not answered since this host knows it
  mtu,          // short packets pass, and long ones do not
  checksum,     // packets pass, but not those whose checksums are left to a device
  one_way,      // packets of the peer come in, and it does not get ours
  unreachable,  // it does not answer any more
};
inline constexpr std::array kPathStates{PathState::ok,      PathState::never_seen,
                                        PathState::mtu,     PathState::checksum,
                                        PathState::one_way, PathState::unreachable};
std::string_view to_string(PathState state);  // "one-way"

struct PathView {
  PathState state = PathState::never_seen;
  // It has been asked often and for long enough that its silence is a problem.
  bool is_silent = false;
  std::optional<std::chrono::microseconds> rtt = {};  // smoothed
  std::optional<std::chrono::microseconds> least_rtt = {};
  std::optional<double> loss = {};             // of the last short probes, 0 to 1
  std::optional<std::uint16_t> mtu_to = {};    // the longest packets that pass to the peer
  std::optional<std::uint16_t> mtu_back = {};  // and from it
  // Packets with checksums that were left to a device arrive, and their checksums are wrong.
  bool arrives_damaged = false;
  std::optional<TimePoint> last_heard = {};
  std::optional<TimePoint> last_reached = {};  // as the peer says: it heard us then
  // Its kernel answers an ICMP echo, and its flanneld does not answer.
  bool by_echo = false;
  // The public IP answers an ICMP echo on the underlay; nullopt: not known.
  std::optional<bool> underlay_answers = {};

  bool operator==(const PathView&) const = default;
};

// Why the state is not `ok`, and what that means; empty if there is nothing to say.
std::string explain(const ProbeTarget& target, const PathView& path, TimePoint now);

}  // namespace flannel
