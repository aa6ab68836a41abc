// SPDX-License-Identifier: Apache-2.0
#include "daemon/status_of.h"

#include <fmt/format.h>

namespace flannel {

namespace {

StoreStatus store_status(const StoreFollower& follower, const StoreFeed& store, TimePoint since) {
  const FollowerCounters& followed = follower.counters();
  return {.name = store.describe(),
          .connected = follower.connected(),
          .since = since,
          .lists = followed.snapshots,
          .positions_lost = followed.positions_lost,
          .resumed = followed.resumed,
          .refuted = followed.refuted,
          .failures = store.failures()};
}

}  // namespace

StatusSnapshot status_of(const Agent& agent, const StoreFeed& store, TimePoint since) {
  StatusSnapshot status;
  status.ready = agent.ready();
  status.store = store_status(agent.follower(), store, since);
  if (agent.network() == nullptr) return status;
  const Network& network = *agent.network();
  const LeaseKeeper& keeper = network.keeper();
  if (keeper.lease()) {
    status.lease =
        LeaseStatus{*keeper.lease(), std::string(to_string(keeper.phase())), keeper.expires()};
  }
  status.mtu = network.planes().ours().overlay_mtu();
  status.networks = network.config().networks();
  status.backend = network.config().backend_type;
  status.underlay = network.underlay();
  status.peers.up = network.overlay().peers();
  status.peers.silent = network.prober().silent_peers();
  status.peers.suspected = network.peers().suspected();
  status.peers.unreachable = network.overlay().unreachable().named();
  status.peers.more_unreachable = network.overlay().unreachable().more();
  for (const auto& [key, record] : network.table().quarantined()) {
    status.peers.quarantined.push_back(record);
  }
  status.peers.more_quarantined = network.table().quarantine().unnamed();
  status.kernel = {network.overlay().unmet(), network.overlay().more_unmet(),
                   network.overlay().counters()};
  if (network.prober().is_wanted()) {
    status.probes = {network.prober().states(), network.prober().counters()};
  }
  if (const PacketPath* path = network.planes().packet_path()) {
    status.packet_path = {path->device(), path->trouble(), [counters = path->counters()] {
                            const PacketCounts now = counters->read();
                            return PacketPathStatus::Counters{now.work(), now.drops_by_reason()};
                          }};
  }
  return status;
}

std::string one_line(const StatusSnapshot& status) {
  const std::vector<std::string> wrong = sentences(status.problems);
  if (!status.ready) return "not ready: " + (wrong.empty() ? "starting" : wrong.front());
  const std::string what = fmt::format("{} on {} over {}, {} peers", status.backend,
                                       to_string(status.lease->lease.subnet),
                                       status.underlay->interface, status.peers.up);
  return wrong.empty() ? what : what + "; " + wrong.front();
}

}  // namespace flannel
