// SPDX-License-Identifier: Apache-2.0
// The part of the judge that is about what hosts believe to hold.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "simulation/judge.h"

namespace flannel::simulation {

// A host that begins without its store has a lease that stands there. Only what others have done to
// it since its daemon ended, or since it was renewed last, or a clock that stood still, can be
// unknown to it.
void Judge::judge_beginning(Host& host) const {
  if (!host.lease() || std::exchange(host.has_begun, true)) return;
  if (host.process().connected() || !host.believes_to_hold()) return;
  const TimePoint now = timeline_.now();
  const Duration unheard = host.keeper_options.ttl + kInFlight;
  const TimePoint known =
      host.holds_without_end() ? TimePoint(Duration(1)) : std::min(host.stopped_at, now - unheard);
  const auto subnets = values_of(host.lease()->subnet);
  const bool robbed = std::ranges::any_of(
      subnets, [&](const IpPrefix& subnet) { return store_.fates().robbed_at(subnet) >= known; });
  const Record* record = store_.find(encode_subnet_key(host.lease()->subnet));
  if (record != nullptr || robbed || now < host.stood_still_until + unheard) return;
  violation_(fmt::format("{} begins with {}, which has ended", host.name(),
                         to_string(host.lease()->subnet)));
}

// That its reservation is lost only the store can tell it, if it reaches it.
bool Judge::cannot_learn(const Host& host) const {
  const bool undisturbed =
      host.is_undisturbed() && timeline_.now() - host.disturbed_at >= kBackByThen;
  return host.holds_without_end() && !undisturbed;
}

void Judge::compare_beliefs() const {
  std::map<IpPrefix, const Host*> owners;
  for (const auto& host : hosts_) {
    if (!host->believes_to_hold()) continue;
    for (const IpPrefix& subnet : values_of(host->lease()->subnet)) {
      const auto [first, fresh] = owners.emplace(subnet, host.get());
      if (!fresh) compare_beliefs(*first->second, *host, subnet);
    }
  }
}

// Whoever was robbed by hand, or whose clock stood still, may learn of it as late as at the end of
// its lease.
void Judge::compare_beliefs(const Host& first, const Host& host, const IpPrefix& subnet) const {
  if (host.shares_with == &first) return;
  const TimePoint excused = std::max({store_.fates().robbed_at(subnet), host.unsure_until,
                                      first.unsure_until, host.shares_until}) +
                            host.keeper_options.ttl + kInFlight;
  if (timeline_.now() <= excused || cannot_learn(host) || cannot_learn(first)) return;
  violation_(fmt::format("{} and {} both believe to hold {}", first.name(), host.name(),
                         to_string(subnet)));
}

}  // namespace flannel::simulation
