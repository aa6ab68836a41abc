// SPDX-License-Identifier: Apache-2.0
// What a host knows of a network, as it is kept across restarts and reboots: the configuration, its
// own lease, the leases of all hosts, and the end of the store's history. By it a daemon goes on
// where the one before ended, also while the store is away. Format: docs/kept-state.md.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/host_clock.h"
#include "core/listed_lease.h"
#include "core/node_id.h"
#include "core/store_feed.h"

namespace flannel {

// The lease of this host.
struct KeptLease {
  Record record;            // as the store has it
  TimePoint ends = kNever;  // on the clock since the boot of KeptState::saved; kNever: it does not
  Duration life{};          // that the store granted last; 0: a reservation
  bool operator==(const KeptLease&) const = default;
};

struct KeptState {
  std::string store;           // the store and the prefix; a text that is only compared
  std::string history_name{};  // StoreFeed::history_name()
  NodeId node;                 // this host's
  HostClock saved;             // when it was kept
  KeptLease lease;
  ConfigRecord config;  // in force
  // The last changes of the store that this host knew; empty: unknown.
  std::vector<Change> history;
};

struct RestoredState {
  KeptState state;
  // The configuration and all records, our own among them. Of the records of other hosts it does
  // not have the expiry handles, and none that could not be used.
  Snapshot snapshot;
};

// Longer texts are refused, so that a damaged file does not take all memory. 500,000 leases fit.
inline constexpr std::size_t kMaxKeptState = 256 << 20;

// `leases`: of all hosts. May be called on any thread.
std::string encode_kept_state(const KeptState& state, std::span<const ListedLease> leases);
// ErrorKind::invalid: `text` is not what encode_kept_state() writes.
Result<RestoredState> decode_kept_state(std::string_view text);

// For people: "2026-12-01 10:00:00 UTC".
std::string in_utc(std::chrono::sys_seconds time);

// Returns when the lease of `kept` ends, on the clock since the boot of `now`; kNever: it is a
// reservation. An error says why the lease cannot be used without asking the store.
// ErrorKind::unavailable: it is not known yet whether it has ended, since the clock may be wrong;
// conflict: it has ended, or will never be known.
//
// Within one boot the steady clock decides, and the wall clock if it is right: a virtual machine
// whose memory was restored has the steady clock of then. Across boots only the wall clock
// decides, if what says that it is right also said so when the state was kept, and the lease counts
// as ended two kClockError before its end.
Result<TimePoint> end_of_kept_lease(const KeptState& kept, const HostClock& now);

}  // namespace flannel
