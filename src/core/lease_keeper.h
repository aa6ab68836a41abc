// SPDX-License-Identifier: Apache-2.0
// Keeps this host's lease: a step machine without I/O. The runner in src/daemon feeds it events
// and carries out the acts; time is an argument.
//
//            start                chosen Create/Reuse/Discard
//   idle ────────────▶ listing ───────────────────────────────▶ writing ──written──▶ held
//                        ▲  ▲            lost race / conflict      │                 │  ▲
//                        │  └─────────────────────────────────────┘       due, or   │  │ renewed
//                        │                                                 changed   ▼  │
//                        └──────── conflict: not ours any more ◀──────────────── renewing
//
//   A failed call (store away) is retried after a jittered pause that doubles from 0.5 s to 30 s;
//   the phase stays. In `held` and `renewing` the data plane runs on, whatever the store does.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "core/lease.h"
#include "core/network_config.h"
#include "core/registry.h"
#include "core/subnet_picking.h"

namespace flannel {

struct KeeperOptions {
  std::chrono::seconds ttl{86400};          // upstream: subnetTTL
  std::chrono::seconds renew_margin{3600};  // --subnet-lease-renew-margin
};

enum class LeasePhase { idle, listing, writing, held, renewing };
std::string_view to_string(LeasePhase phase);

// What the runner has to do next. At most one call to the store is under way at a time.
struct TakeSnapshot {};
struct CreateRecord {
  std::string key, value;
  Ttl ttl;
};
struct ReplaceRecord {
  Record seen;
  std::string value;
  Ttl ttl;
};
struct RenewRecord {
  Record seen;
  Ttl ttl;
};
struct ReleaseRecord {  // an own record that does not fit the configuration any more
  Record seen;
};
struct AnnounceHeld {  // the lease is ours, newly or on another subnet, or with other attributes
  Lease lease;
};
struct ReportLost {  // the record was removed or taken by somebody: alarm; acquiring goes on
  Lease lease;
  std::string reason;
};
struct ReportError {  // could not acquire: out of subnets, store away ...; retried
  Error error;
};
using KeeperAct = std::variant<TakeSnapshot, CreateRecord, ReplaceRecord, RenewRecord,
                               ReleaseRecord, AnnounceHeld, ReportLost, ReportError>;

class LeaseKeeper {
 public:
  // What to announce, given the own record of an earlier run if there is one (a VTEP MAC that
  // peers already know is kept).
  using Announce = std::function<LeaseAttributes(const Lease* previous)>;

  LeaseKeeper(KeeperOptions options, NetworkConfig config, Ip4 public_ip, Announce announce,
              std::optional<Cidr4> previous, Random random);

  std::vector<KeeperAct> start(TimePoint now);

  // Answers to the acts. `sent` is when the call was made: a TTL counts from there.
  std::vector<KeeperAct> on_snapshot(TimePoint now, Result<Snapshot> snapshot);
  std::vector<KeeperAct> on_written(TimePoint now, TimePoint sent, Result<Held> held);
  std::vector<KeeperAct> on_renewed(TimePoint now, TimePoint sent, Result<Held> held);
  std::vector<KeeperAct> on_released(TimePoint now, Result<void> released);

  // The watch saw this change of any record; those of other keys are ignored. A put that is our
  // own write coming back changes nothing; a removed TTL turns the lease into a reservation.
  std::vector<KeeperAct> on_change(TimePoint now, const Change& change);

  // Renewals and retries that are due.
  std::vector<KeeperAct> tick(TimePoint now);
  TimePoint next_wakeup() const;

  LeasePhase phase() const;
  // The lease we hold or last held; nothing before the first success.
  const std::optional<Lease>& lease() const;
  // When it ends if the store never answers again; kNever for a reservation or none.
  TimePoint expires() const;
};

}  // namespace flannel
