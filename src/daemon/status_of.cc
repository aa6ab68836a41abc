// SPDX-License-Identifier: Apache-2.0
#include "daemon/status_of.h"

#include <fmt/format.h>

namespace flannel {

StatusSnapshot status_of(const Agent& agent, const StoreFeed& store, TimePoint since) {
  StatusSnapshot status;
  status.ready = agent.ready();
  status.troubles = agent.troubles();
  const FollowerCounters& followed = agent.follower().counters();
  status.store = {store.describe(),   agent.follower().connected(), since,
                  followed.snapshots, followed.positions_lost,      store.failures()};
  if (agent.keeper() == nullptr) return status;
  const LeaseKeeper& keeper = *agent.keeper();
  if (keeper.lease()) {
    status.lease =
        LeaseStatus{*keeper.lease(), std::string(to_string(keeper.phase())), keeper.expires()};
  }
  status.backend = agent.config()->backend_type;
  status.underlay = *agent.underlay();
  status.peers.up = agent.overlay()->peers();
  status.peers.suspected = agent.peers()->suspected();
  status.peers.unreachable = agent.overlay()->unreachable().named();
  status.peers.more_unreachable = agent.overlay()->unreachable().more();
  for (const auto& [key, record] : agent.table()->quarantined()) {
    status.peers.quarantined.push_back(record);
  }
  status.peers.more_quarantined = agent.table()->quarantine().unnamed();
  status.kernel = {agent.overlay()->unmet(), agent.overlay()->more_unmet(),
                   agent.overlay()->counters()};
  if (const PacketPath* path = agent.planes()->packet_path()) {
    status.packet_path = {path->device(), path->trouble(), [counters = path->counters()] {
                            const PacketCounts now = counters->read();
                            return PacketPathStatus::Counters{now.work(), now.drops_by_reason()};
                          }};
  }
  return status;
}

std::string one_line(const StatusSnapshot& status) {
  if (!status.ready) {
    return "not ready: " + (status.troubles.empty() ? "starting" : status.troubles.front());
  }
  const std::string what = fmt::format("{} on {} over {}, {} peers", status.backend,
                                       to_string(status.lease->lease.subnet),
                                       status.underlay->interface, status.peers.up);
  return status.troubles.empty() ? what : what + "; " + status.troubles.front();
}

}  // namespace flannel
