// SPDX-License-Identifier: Apache-2.0
// MovingCluster: what must hold while the cluster moves.
#include <fmt/format.h>

#include "simulation/moving_cluster.h"

namespace flannel::simulation {

using std::chrono::seconds;

// A peer that a host knows stays, for as long as its host has its lease.
void MovingCluster::judge_peers(Mover& host) {
  if (!host.running() || host.agent()->network() == nullptr) return;
  const auto& now = host.agent()->network()->peers().leases();
  for (const auto& [subnet, ip] : host.peers) {
    if (now.contains(subnet)) continue;
    for (const auto& other : hosts) {
      if (other->ip == ip && other->subnet == subnet && !other->was_drained) {
        violated(fmt::format("{} dropped its peer {}, {}", host.name(), other->name(),
                             to_string(subnet)));
      }
    }
  }
  host.peers.clear();
  for (const auto& [subnet, listed] : now) {
    const IpAddress ip = listed.lease->attributes.public_ip;
    if (ip != host.ip) host.peers[subnet] = ip;
  }
  if (const auto lease = host.lease()) {
    if (host.subnet && *host.subnet != lease->subnet && !host.was_drained) {
      violated(fmt::format("{} had {} and has {}", host.name(), to_string(*host.subnet),
                           to_string(lease->subnet)));
    }
    host.subnet = lease->subnet;
  }
}

// No subnet has two owners.
void MovingCluster::judge() {
  std::map<SubnetKey, const Mover*> owners;
  for (const auto& host : hosts) {
    if (!host->subnet || host->was_drained) continue;
    const auto [owner, first] = owners.emplace(*host->subnet, host.get());
    if (first) continue;
    violated(fmt::format("{} and {} have {}", owner->second->name(), host->name(),
                         to_string(*host->subnet)));
  }
  in(seconds(1), [this] { judge(); });
}

void MovingCluster::judge_end() {
  if (!violations_.empty()) return;
  if (!notes_of(new_site).from || !notes_of(new_site).from->retired) {
    return violated("the move has no end");
  }
  for (const auto& host : hosts) {
    if (!host->running()) continue;
    if (host->is_drained()) {
      judge_drained(*host);
      continue;
    }
    if (!host->lease()) violated(host->name() + " has no lease");
    if (host->agent()->store().describe() != "new")
      violated(host->name() + " does not use the new store");
    for (const std::string& trouble : sentences(host->agent()->problems())) {
      const bool taken = host->was_drained && trouble.find("cannot take ") != std::string::npos;
      if (!taken) violated(host->name() + ": " + trouble);
    }
    for (const auto& other : hosts) {
      if (other == host || !other->subnet || other->was_drained) continue;
      if (!host->agent()->network()->peers().leases().contains(*other->subnet)) {
        violated(host->name() + " does not know " + other->name());
      }
    }
  }
}

// It has followed, and neither store has a record of it but the retired one of before.
void MovingCluster::judge_drained(const Mover& host) {
  if (host.agent()->store().describe() != "new")
    violated(host.name() + " is drained, and does not use the new store");
  if (host.agent()->network()->keeper().phase() != LeasePhase::drained)
    violated(host.name() + " is drained, but its keeper is not");
  for (const Record& record : new_site.store.snapshot().records) {
    const auto says = decode_lease_value(record.value);
    if (says && says->public_ip == host.ip) violated(host.name() + " is drained, and has a record");
  }
}

}  // namespace flannel::simulation
