// SPDX-License-Identifier: Apache-2.0
// Makes the kernel equal to the wish: read, diff, add before remove, touch only what is ours,
// retry what failed. Start-up, repair and change are the same path; doing it twice is harmless.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "plan/kernel.h"
#include "plan/net_state.h"

namespace flannel {

struct ReconcileCounters {
  std::uint64_t full_syncs = 0;
  std::uint64_t changes = 0;      // objects put or removed
  std::uint64_t corrections = 0;  // of them in a full sync after the first: others' doing
  std::uint64_t failures = 0;
};

// Loop thread only.
class Reconciler {
 public:
  // `kernel` outlives the reconciler.
  explicit Reconciler(Kernel& kernel);

  // The wish. Nothing touches the kernel before the first sync(); afterwards set_peer and
  // remove_peer apply their own difference at once, and set_host needs a sync().
  void set_host(Scope scope, NetState host);
  void set_peer(const Cidr4& peer, NetState state, TimePoint now);
  void remove_peer(const Cidr4& peer, TimePoint now);
  // Many at once, one batch.
  void set_peers(std::vector<std::pair<Cidr4, NetState>> peers, TimePoint now);

  // Reads the kernel and mends every difference. What failed is retried by tick().
  Result<void> sync(TimePoint now);

  // Something changed that is not our doing (a notification, ENOBUFS): sync soon, many news at
  // once.
  void suspect(TimePoint now);

  void tick(TimePoint now);
  TimePoint next_wakeup() const;

  // Objects that are wished and not in place, with the reason; empty: all is well.
  std::map<std::string, std::string> unmet() const;
  // A sync succeeded and every object of set_host() is in place.
  bool host_in_place() const;
  const ReconcileCounters& counters() const;
};

}  // namespace flannel
