// SPDX-License-Identifier: Apache-2.0
// The catalogue of what befalls a cluster. Each entry draws its own victims and lengths.
#include <fmt/format.h>

#include "core/lease.h"
#include "simulation/faults.h"

namespace flannel::simulation {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// Mostly short, sometimes longer than a lease lives.
Duration some_while(World& world) {
  if (world.chance_.percent(25)) {
    return world.chance_.between(world.plan_.ttl, 2 * world.plan_.ttl);
  }
  return world.chance_.between(milliseconds(1), seconds(20));
}

double in_seconds(Duration time) {
  return std::chrono::duration<double>(time).count();
}

std::string some_victim(World& world) {
  const auto lease = world.any_host().lease();
  if (!lease || world.chance_.percent(30)) return world.some_key();
  SubnetKey key = lease->subnet;
  const auto other = world.any_host().lease();
  // Rarely one with a subnet of each of two hosts, or with one subnet of two.
  if (other && world.chance_.percent(15)) key.v6 = other->subnet.v6;
  if (!key.v4 && !key.v6) return world.some_key();
  return encode_subnet_key(key);
}

Ttl some_ttl(World& world) {
  if (world.chance_.percent(20)) return std::nullopt;
  return world.plan_.ttl;
}

namespace {

void cut_host(World& world) {
  Host& host = world.any_host();
  if (host.link.cut) return;
  const Duration time = some_while(world);
  world.say(fmt::format("{} is cut off for {:.3f} s", host.name(), in_seconds(time)));
  host.cut(true);
  world.in(time, [&host] { host.cut(false); });
}

void stop_store(World& world) {
  const Duration time = some_while(world);
  world.say(fmt::format("the store is down for {:.3f} s", in_seconds(time)));
  world.stop_serving(time);
}

void change_leader(World& world) {
  world.say("the store changes its leader");
  world.stop_serving(world.chance_.between(milliseconds(50), seconds(3)));
  world.store_.extend_all();
}

void compact(World& world) {
  world.say("the store is compacted");
  world.store_.compact();
}

void break_streams(World& world) {
  world.say("all streams break");
  for (const auto& host : world.hosts_)
    host->break_streams();
}

void crash(World& world) {
  Host& host = world.any_host();
  if (!host.running() || !host.machine.runs()) return;
  const Duration time = some_while(world);
  world.say(fmt::format("{} crashes, starts again in {:.3f} s", host.name(), in_seconds(time)));
  host.crash();
  world.in(time, [&host] {
    if (!host.running() && !host.gone) host.start();
  });
}

// The clock of a machine that has booted may be wrong, until a time server has set it.
void set_clock(World& world, Host& host, Duration off) {
  const auto little =
      std::chrono::floor<seconds>(world.chance_.between(seconds(0), 2 * kClockError));
  host.wall_error = little - kClockError;
  if (world.chance_.percent(50)) return;
  const Duration most = world.chance_.percent(50) ? 2 * world.plan_.ttl : minutes(600);
  const auto error = std::chrono::floor<seconds>(world.chance_.between(seconds(1), most));
  host.wall_error = world.chance_.percent(50) ? error : -error;
  // One that stands still while the machine is off.
  if (world.chance_.percent(40)) host.wall_error = -std::chrono::floor<seconds>(off);
  host.wall_is_right = false;
  world.in(world.chance_.between(seconds(1), minutes(2)), [&host] {
    host.wall_error = {};
    host.wall_is_right = true;
  });
}

void reboot(World& world) {
  Host& host = world.any_host();
  if (!host.machine.runs()) return;
  world.say(host.name() + " boots anew");
  host.unsure_until = world.timeline_.now() + minutes(60);
  host.reboot();
  set_clock(world, host, seconds(5));
  world.in(seconds(5), [&host] {
    if (!host.running() && !host.gone) host.start();
  });
}

// While it does not reach its store, which may be there for all others. It comes back with what it
// knew, or not before it reaches the store.
void restart_alone(World& world) {
  Host& host = world.any_host();
  if (!host.running() || !host.machine.runs() || host.link.cut) return;
  const Duration away = world.chance_.between(seconds(1), 3 * world.plan_.ttl);
  const Duration off = world.chance_.between(milliseconds(1), away);
  const bool boots = world.chance_.percent(60);
  world.say(fmt::format("{} is cut off for {:.3f} s, {} after {:.3f} s", host.name(),
                        in_seconds(away), boots ? "boots" : "starts", in_seconds(off)));
  host.cut(true);
  host.crash();
  if (boots) host.reboot();
  world.in(off, [&world, &host, boots, off] {
    if (host.running() || host.gone) return;
    if (boots) set_clock(world, host, off);
    host.start();
  });
  world.in(away, [&host] { host.cut(false); });
}

void pause(World& world) {
  Host& host = world.any_host();
  if (!host.machine.runs()) return;
  const Duration time = some_while(world);
  const bool asleep = world.chance_.percent(60);
  world.say(fmt::format("{} {} for {:.3f} s", host.name(), asleep ? "sleeps" : "is frozen",
                        in_seconds(time)));
  host.machine.pause(asleep ? Machine::Pause::asleep : Machine::Pause::frozen);
  world.in(time, [&world, &host, asleep] {
    if (host.machine.runs()) return;
    host.machine.resume();
    host.disturb();
    if (!asleep) host.stood_still_until = world.timeline_.now();
    if (!asleep) host.unsure_until = std::max(host.unsure_until, world.timeline_.now());
  });
}

void lose_messages(World& world) {
  Host& host = world.any_host();
  host.link.loss = static_cast<unsigned>(10 + world.chance_.below(60));
  host.link.slowest = world.chance_.between(milliseconds(20), seconds(7));
  world.say(fmt::format("the link of {} loses {} %, takes up to {:.3f} s", host.name(),
                        host.link.loss, in_seconds(host.link.slowest)));
  world.in(some_while(world), [&host] {
    host.disturb();
    host.link.loss = 0;
    host.link.slowest = milliseconds(20);
  });
}

void lag(World& world) {
  Host& host = world.any_host();
  host.link.watch_lag = world.chance_.between(seconds(1), seconds(30));
  world.say(fmt::format("{} hears of changes {:.3f} s late", host.name(),
                        in_seconds(host.link.watch_lag)));
  world.in(some_while(world), [&host] {
    host.disturb();
    host.link.watch_lag = {};
  });
}

void join(World& world) {
  if (world.hosts_.size() >= 14) return;
  Host& host = world.add_host();
  world.say(host.name() + " joins");
  host.start();
}

void leave(World& world) {
  Host& host = world.any_host();
  if (host.number <= 2) return;
  world.say(host.name() + " leaves for ever");
  host.crash();
  host.gone = true;
}

void undrain(World& world, Host& host) {
  if (world.calm_ || !host.drained || host.gone) return;
  if (!host.machine.runs()) {
    return world.in(seconds(1), [&world, &host] { undrain(world, host); });
  }
  world.say(host.name() + " is undrained");
  host.drain(false);
}

// Some stay drained to the end.
void drain(World& world) {
  Host& host = world.any_host();
  if (host.drained || host.gone || !host.machine.runs()) return;
  world.say(host.name() + " is drained");
  host.drain(true);
  if (world.chance_.percent(80)) {
    world.in(some_while(world), [&world, &host] { undrain(world, host); });
  }
}

void write_over(World& world) {
  const std::string key = some_victim(world);
  const Ttl ttl = some_ttl(world);
  world.say(fmt::format("a stranger takes {}{}", key, ttl ? "" : " for ever"));
  world.store_.put(key, encode_lease_value(world.stranger()), ttl);
}

void write_nonsense(World& world) {
  constexpr const char* kNonsense[] = {"", "nonsense", "{\"PublicIP\":\"127.0.0.1\"}",
                                       "{\"PublicIP\":null}", "[]"};
  const std::string key = some_victim(world);
  world.say("somebody writes nonsense into " + key);
  world.store_.put(key, kNonsense[world.chance_.below(5)], some_ttl(world));
}

void edit_own(World& world) {
  const Host& host = world.any_host();
  const auto lease = host.lease();
  if (!lease) return;
  const std::string key = encode_subnet_key(lease->subnet);
  const Record* record = world.store_.find(key);
  if (record == nullptr) return;
  // What names no node is taken for the word of the host that had the address first.
  const bool borrowed = first_address(host.public_ip) != host.first_ip();
  const bool same = borrowed || world.chance_.percent(50);
  PublicIps ips = lease->attributes.public_ips();
  if (ips.v4 && world.chance_.percent(50)) ips.v6.reset();  // as for a network of IPv4
  world.say(fmt::format("somebody edits {}{}", key, same ? ", its lifetime alone" : ""));
  world.store_.put(key, same ? record->value : encode_lease_value(LeaseAttributes::of_host(ips)),
                   some_ttl(world));
}

void remove_record(World& world) {
  const std::string key = some_victim(world);
  world.say(key + " is removed by hand");
  world.store_.remove(key);
}

void back_up(World& world) {
  world.say("the store is backed up");
  world.store_.back_up();
}

// Mostly under the same name; and other programs write, perhaps past all that hosts have seen.
bool restore_store(World& world) {
  const bool renamed = world.chance_.percent(25);
  if (!world.store_.restore(renamed)) return false;
  const Revision to = world.store_.revision();
  if (world.chance_.percent(40)) {
    world.store_.grow_past_all();
  } else if (world.chance_.percent(50)) {
    world.store_.grow(static_cast<Revision>(world.chance_.below(20)));
  }
  world.say(fmt::format("the store goes back to its backup of {}{}, is at {}", to,
                        renamed ? " with another name" : "", world.store_.revision()));
  return true;
}

void restore(World& world) {
  if (restore_store(world)) world.stop_serving(world.chance_.between(seconds(1), seconds(10)));
}

// While a host asks anew, or listens, it stands still or is cut off, and the store goes back to a
// backup of a little before, and grows.
void restore_behind_a_host(World& world) {
  Host& host = world.any_host();
  if (!host.running() || !host.machine.runs() || host.link.cut) return;
  world.store_.back_up();
  const Duration until = world.chance_.between(milliseconds(1), seconds(40));
  const bool asks = world.chance_.percent(70);
  world.say(fmt::format("the store is backed up, {} misses what follows in {:.3f} s", host.name(),
                        in_seconds(until)));
  world.in(until, [&world, &host, asks] {
    if (world.calm_ || !host.machine.runs() || host.link.cut) return;
    if (asks) host.break_streams();
    const Duration away = world.chance_.between(seconds(5), seconds(60));
    // A host goes on with its watch after 0.1 to 0.2 s.
    world.in(world.chance_.between(milliseconds(90), milliseconds(300)), [&world, &host, away] {
      if (world.calm_ || !host.machine.runs() || host.link.cut) return;
      const bool frozen = world.chance_.percent(50);
      if (frozen) host.machine.pause(Machine::Pause::frozen);
      if (!frozen) host.cut(true);
      world.say(host.name() + (frozen ? " is frozen" : " is cut off"));
      world.in(away / 4, [&world] {
        if (!world.calm_ && restore_store(world))
          world.stop_serving(world.chance_.between(milliseconds(100), seconds(3)));
      });
      world.in(away, [&world, &host, frozen] {
        if (!frozen) return host.cut(false);
        if (host.machine.runs()) return;
        host.machine.resume();
        host.disturb();
        host.stood_still_until = world.timeline_.now();
        host.unsure_until = std::max(host.unsure_until, world.timeline_.now());
      });
    });
  });
}

void wipe(World& world) {
  world.say("the store comes back empty");
  world.store_.wipe(world.chance_.percent(50));
  world.stop_serving(world.chance_.between(seconds(1), seconds(10)));
  world.in(world.chance_.between(seconds(1), seconds(60)), [&world] { world.restore_config(); });
}

void lose_config(World& world) {
  world.say("the configuration is removed");
  world.store_.set_config(std::nullopt);
  world.in(some_while(world), [&world] { world.restore_config(); });
}

void lie(World& world) {
  // One alone: what two lists say, half a minute apart, is believed. And only to a host whose last
  // list had so many records that most of them are a mass loss; missing peers are in none.
  Host& host = world.any_host();
  const bool recently = world.timeline_.now() < world.last_lie_ + minutes(3);
  if (recently || !host.running() || host.process().table() == nullptr) return;
  if (host.process().table()->leases().size() < 8) return;
  world.last_lie_ = world.timeline_.now();
  world.say("the next list that " + host.name() + " gets lacks most records");
  host.link.lies = true;
  host.lose_positions();  // so that it lists
  world.in(seconds(30), [&host] { host.link.lies = false; });
}

struct Entry {
  unsigned weight;
  void (*befall)(World&);
};

constexpr Entry kCatalogue[] = {
    {12, cut_host},
    {6, stop_store},
    {6, change_leader},
    {4, compact},
    {6, break_streams},
    {12, crash},
    {4, reboot},
    {6, restart_alone},
    {12, pause},
    {10, lose_messages},
    {6, lag},
    {3, change_address},
    {3, join},
    {2, leave},
    {2, join_as_a_copy},
    {2, write_over},
    {2, write_nonsense},
    {3, edit_own},
    {4, remove_record},
    {2, back_up},
    {1, restore},
    {3, restore_behind_a_host},
    {1, wipe},
    {2, lose_subnet_file},
    {1, lose_config},
    {4, lie},
    {4, lose_state},
    {3, hand_on_address},
    {2, share_address},
    {5, forge_mac},
    {3, claim_address},
    {4, change_config},
    {6, drain},
};

}  // namespace

void befall(World& world) {
  unsigned sum = 0;
  for (const Entry& entry : kCatalogue)
    sum += entry.weight;
  auto drawn = static_cast<unsigned>(world.chance_.below(sum));
  for (const Entry& entry : kCatalogue) {
    if (drawn < entry.weight) return entry.befall(world);
    drawn -= entry.weight;
  }
}

}  // namespace flannel::simulation
