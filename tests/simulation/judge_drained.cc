// SPDX-License-Identifier: Apache-2.0
// Judge: hosts that are drained.
#include <fmt/format.h>

#include "simulation/judge.h"

namespace flannel::simulation {

// Nothing that it wrote is in the store, whatever brought it back, but what was made a reservation.
void Judge::judge_drained(const Host& host) const {
  const LeaseKeeper& keeper = *host.process().keeper();
  if (keeper.phase() != LeasePhase::drained) {
    violation_(fmt::format("{} is drained, but {}", host.name(), to_string(keeper.phase())));
  }
  for (const Record& record : store_.snapshot().records) {
    const auto says = decode_lease_value(record.value);
    const bool own = says && says->node == NodeTag{host.node_id, host.boot()};
    if (!own || !record.expires()) continue;
    violation_(fmt::format("{} is drained, and has a record at {}", host.name(), record.key));
  }
}

}  // namespace flannel::simulation
