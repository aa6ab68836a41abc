// SPDX-License-Identifier: Apache-2.0
#include "ctl/follow_wait.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <ostream>
#include <thread>

#include "base/clock.h"
#include "base/parse.h"
#include "core/announced_backend.h"
#include "core/lease_table.h"
#include "ctl/config_text.h"

namespace flannel {
namespace {

// True if the subnets of all families that the network has lie in it, and there is one.
bool lies_in_network(const NetworkConfig& config, const SubnetKey& subnets) {
  bool any = false;
  for (const IpPrefix& subnet : values_of(subnets)) {
    const auto& range = config.at(subnet.family());
    if (range && !range->network.contains(subnet)) return false;
    any = any || range;
  }
  return any;
}

// Why the host with this lease has not followed; nullopt: it has.
std::optional<std::string> why_late(const NetworkConfig& config, const Lease& lease) {
  const LeaseAttributes& attributes = lease.attributes;
  const std::string host = fmt::format("{} of {} has not followed: ", to_string(lease.subnet),
                                       to_string(attributes.public_ips()));
  if (!lies_in_network(config, lease.subnet)) return host + "it is outside of the new network";
  if (announces(attributes, config)) return std::nullopt;
  return host + "it announces " +
         to_string(announced_backend(attributes, configured_backend(config)));
}

Result<void> finish(const Followers& followers, const FollowWait& wait, const Terminal& terminal) {
  if (followers.late.empty()) {
    terminal.out << (followers.hosts == 0 ? std::string("no host with a node id has a lease")
                                          : fmt::format("{} of {} hosts have followed",
                                                        followers.hosts, followers.hosts))
                 << "\n";
    return {};
  }
  print_warnings(followers.late, terminal);
  return fail(ErrorKind::unavailable,
              fmt::format("{} of {} hosts have not followed within {} ms (--wait)",
                          followers.late.size(), followers.hosts, wait.longest.count()));
}

}  // namespace

// A host that takes another subnet has the old lease until that expires, so one lease that follows
// is enough.
Followers followers_of(const NetworkConfig& config, const Snapshot& snapshot) {
  LeaseTable table;
  table.apply_snapshot(snapshot);
  std::map<NodeId, std::optional<std::string>> late;
  for (const auto& [subnet, listed] : table.leases()) {
    const auto& node = listed.lease->attributes.node;
    if (!node) continue;
    auto why = why_late(config, *listed.lease);
    const auto [host, is_new] = late.try_emplace(node->id, why);
    if (!is_new && !why) host->second.reset();
  }
  Followers followers{.hosts = late.size()};
  for (auto& [id, why] : late) {
    if (why) followers.late.push_back(std::move(*why));
  }
  std::ranges::sort(followers.late);
  return followers;
}

Result<void> wait_for_followers(const NetworkConfig& config, const std::string& text,
                                const FollowWait& wait,
                                const std::function<Result<Snapshot>()>& list,
                                const Terminal& terminal) {
  const TimePoint end = BootClock::now() + wait.longest;
  while (true) {
    const Result<Snapshot> snapshot = list();
    if (snapshot && (!snapshot->config || trim(snapshot->config->text) != text)) {
      return fail(ErrorKind::conflict,
                  "another process has changed the configuration that hosts were to follow");
    }
    const Followers followers = snapshot ? followers_of(config, *snapshot) : Followers();
    const bool is_over = BootClock::now() >= end;
    if (!snapshot && is_over) return Failure(snapshot.error());
    if (snapshot && (is_over || followers.late.empty())) return finish(followers, wait, terminal);
    std::this_thread::sleep_for(std::min<Duration>(wait.pause, end - BootClock::now()));
  }
}

}  // namespace flannel
