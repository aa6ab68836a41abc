// SPDX-License-Identifier: Apache-2.0
// The operator changes the network's configuration: families, network and backend.
#include <fmt/format.h>

#include <algorithm>

#include "core/announced_backend.h"
#include "simulation/faults.h"

namespace flannel::simulation {
namespace {

using std::chrono::milliseconds;

// One family changes at a time.
Enabled next_after(Enabled now, Chance& chance) {
  if (now != Enabled::both) return Enabled::both;
  return chance.percent(60) ? Enabled::v4 : Enabled::v6;
}

std::string_view name_of(Enabled families) {
  switch (families) {
    case Enabled::v4:
      return "IPv4";
    case Enabled::both:
      return "both families";
    case Enabled::v6:
      return "IPv6";
  }
  return "";
}

// A host has, or had last, a subnet outside of the network as it was before it grew; or a record
// is there.
bool cuts_off(const World& world, const NetworkConfig& next) {
  const auto outside = [&next](const SubnetKey& key) {
    return std::ranges::any_of(values_of(key), [&next](const IpPrefix& subnet) {
      const auto& range = next.at(subnet.family());
      return range && !range->network.contains(subnet);
    });
  };
  const Snapshot all = world.store_.snapshot();
  return std::ranges::any_of(
             world.hosts_,
             [&](const auto& host) { return host->last_subnet && outside(*host->last_subnet); }) ||
         std::ranges::any_of(all.records, [&](const Record& record) {
           const auto key = decode_subnet_key(record.key);
           return key && outside(*key);
         });
}

// Nothing if there is no other configuration that leaves every host in its network.
std::string next_config(World& world) {
  const NetworkConfig& now = world.config();
  const auto drawn = world.chance_.below(100);
  Enabled families = families_of(now);
  std::string backend = now.backend_type;
  Ranges ranges = ranges_of(now);
  auto port = configured_backend(now).port;
  if (drawn < 50 || !world.service_.follows_config) {
    families = next_after(families, world.chance_);
  } else if (drawn < 65) {
    backend = backend == "vxlan" ? "host-gw" : "vxlan";
    port = 0;
  } else if (drawn < 75 && backend == "vxlan") {
    port = static_cast<std::uint16_t>(8472 + world.chance_.below(3));
  } else if (drawn < 88) {
    ranges.grown = !ranges.grown;
  } else {
    ranges.halved = !ranges.halved;
  }
  std::string text = config_text(families, backend, ranges, port);
  const bool shrinks = !ranges.grown && ranges_of(now).grown;
  if (shrinks && cuts_off(world, parse_network_config(text)->config)) return {};
  world.say(fmt::format("the configuration changes to {} on port {} of {}{}{}", backend, port,
                        name_of(families), ranges.grown ? " in a grown network" : "",
                        ranges.halved ? " with smaller subnets" : ""));
  return text;
}

void restart_one_by_one(World& world) {
  Duration wait{};
  for (const auto& host : world.hosts_) {
    wait += world.chance_.between(milliseconds(1), some_while(world));
    if (world.chance_.percent(15)) continue;
    world.in(wait, [&world, &host = *host] {
      if (world.calm_ || !host.running() || !host.machine.runs()) return;
      world.say("the daemon of " + host.name() + " is started again");
      host.crash();
      host.start();
    });
  }
}

}  // namespace

// The daemons follow at once; in other clusters they are started again one after the other, some of
// them not at all, and not all in time.
void change_config(World& world) {
  if (!world.changes_config_) return;
  const std::string next = next_config(world);
  if (next.empty()) return;
  world.configure(next);
  if (world.store_.snapshot().config) world.restore_config();
  if (!world.service_.follows_config) restart_one_by_one(world);
}

}  // namespace flannel::simulation
