// SPDX-License-Identifier: Apache-2.0
// A row of who reaches whom, as one host sees it: what that host writes into the store with
// --publish-health. Format: docs/etcd-keys.md.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "core/lease.h"

namespace flannel {

// The states of peers that a row may have, the worst first; those of docs/probes.md but "ok".
inline constexpr std::array<std::string_view, 6> kHealthStates{
    "unreachable", "one-way", "checksum", "mtu", "never-seen", "not-probed"};

struct HealthRow {
  struct Rtt {
    std::chrono::microseconds median{}, most{};
    bool operator==(const Rtt&) const = default;
  };

  NodeId node{};             // this host wrote the row
  std::uint64_t serial = 0;  // another one in each row of a host: no two of them are equal
  std::size_t ok = 0;        // peers
  std::optional<Rtt> rtt{};  // what the peers that answer have; nullopt: none answers
  // The peers that are not ok, by their state, which is one of kHealthStates. A peer is named by
  // the identity() of its subnets.
  std::map<std::string_view, std::vector<IpPrefix>> others{};
  std::map<std::string_view, std::size_t> more{};  // those that are not named

  // True if both say the same of each peer's state.
  bool has_states_of(const HealthRow& other) const {
    return others == other.others && more == other.more;
  }
  bool operator==(const HealthRow&) const = default;
};

// What follows the prefix of a network in the prefix of its rows.
inline constexpr std::string_view kHealthSuffix = "-health";

// Bytes. A reader refuses a longer text.
inline constexpr std::size_t kMostHealthRow = 7168;

// Names as many peers as fit into kMostHealthRow bytes, the worst first, and counts the others.
std::string encode_health_row(const HealthRow& row);
// Ignores unknown members and states. All errors are ErrorKind::invalid.
Result<HealthRow> decode_health_row(std::string_view text);

// A row that counts: the host of that lease wrote it, and it is no older than it may be.
struct SeenRow {
  SubnetKey subnet;     // the host that wrote it has this lease
  TimePoint seen = {};  // when this host saw it first
  HealthRow row;

  bool operator==(const SeenRow&) const = default;
};

struct SeenRows {
  std::vector<SeenRow> rows;  // sorted by subnet
  std::string why;            // the last list could not be read; empty: it could
};

}  // namespace flannel
