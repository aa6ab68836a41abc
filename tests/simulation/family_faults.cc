// SPDX-License-Identifier: Apache-2.0
// The operator enables or disables a family.
#include <fmt/format.h>

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

}  // namespace

// The daemons are started again one after the other, some of them not at all, and not all in time.
void change_families(World& world) {
  if (!world.changes_families_) return;
  const Enabled next = next_after(families_of(world.config()), world.chance_);
  world.say(fmt::format("the configuration changes to {}", name_of(next)));
  world.configure(config_text(next, world.config().backend_type));
  if (world.store_.snapshot().config) world.restore_config();
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

}  // namespace flannel::simulation
