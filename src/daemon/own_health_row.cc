// SPDX-License-Identifier: Apache-2.0
#include "daemon/own_health_row.h"

#include <algorithm>
#include <vector>

namespace flannel {
namespace {

using std::chrono::microseconds;

std::optional<HealthRow::Rtt> summary_of(std::vector<microseconds> times) {
  if (times.empty()) return std::nullopt;
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::ranges::nth_element(times, middle);
  const microseconds median = *middle;
  return HealthRow::Rtt{median, *std::ranges::max_element(times)};
}

// The worse one of two families counts. nullopt: the peer is not probed.
std::optional<PathState> state_of(const Network& network, const SubnetKey& subnet,
                                  std::vector<microseconds>& times) {
  std::optional<PathState> worst;
  for (const IpPrefix& one : values_of(subnet)) {
    const auto path = network.prober().view(one);
    if (!path) continue;
    worst = std::max(worst.value_or(path->state), path->state);
    if (path->rtt && path->state != PathState::unreachable) times.push_back(*path->rtt);
  }
  if (network.overlay().unreachable().why(subnet)) return PathState::unreachable;
  return worst;
}

}  // namespace

std::optional<HealthRows::Own> own_health_row(const Network& network) {
  const LeaseKeeper& keeper = network.keeper();
  const bool holds = keeper.phase() == LeasePhase::active || keeper.phase() == LeasePhase::renewing;
  const HostIdentity us = network.identity();
  if (!holds || !keeper.lease() || !network.prober().is_on() || !us.node) return std::nullopt;
  HealthRows::Own own{keeper.lease()->subnet, {.node = us.node->id}};
  std::vector<microseconds> times;
  for (const auto& [subnet, listed] : network.peers().leases()) {
    if (us.owns(listed.lease)) continue;
    const auto state = state_of(network, subnet, times);
    if (!state) {
      ++own.row.more["not-probed"];
    } else if (*state == PathState::ok) {
      ++own.row.ok;
    } else {
      own.row.others[to_string(*state)].push_back(subnet.identity());
    }
  }
  own.row.rtt = summary_of(std::move(times));
  return own;
}

}  // namespace flannel
