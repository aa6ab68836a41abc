// SPDX-License-Identifier: Apache-2.0
// What befalls the things that tell hosts apart: addresses, state folders, node ids and MACs.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "backend/vxlan.h"
#include "core/lease.h"
#include "simulation/faults.h"

namespace flannel::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

void start_if_down(Host& host) {
  if (!host.running() && !host.gone) host.start();
}

// No other record is written under its address: a host that has lost everything knows its own.
bool is_alone(const World& world, const Host& host) {
  const Snapshot all = world.store_.snapshot();
  const auto records = std::count_if(all.records.begin(), all.records.end(), [&](const auto& one) {
    const auto says = decode_lease_value(one.value);
    return says && says->public_ip == host.public_ip;
  });
  return records == 1 && host.shares_with == nullptr;
}

// A host that has never had a lease, or one that has.
Host* some_newcomer(World& world, const Host& besides) {
  if (world.chance_.percent(40)) {
    return world.hosts_.size() < 14 ? &world.add_host() : nullptr;
  }
  Host& host = world.any_host();
  const bool fit = &host != &besides && host.machine.runs() && !host.gone;
  return fit && host.shares_with == nullptr ? &host : nullptr;
}

// A node that is no host's here; or none, as of another release.
std::optional<NodeTag> some_node(World& world) {
  if (world.chance_.percent(30)) return std::nullopt;
  NodeTag node;
  for (std::uint8_t& byte : node.id.bytes)
    byte = static_cast<std::uint8_t>(world.chance_.below(256));
  node.boot = static_cast<std::uint32_t>(world.chance_.below(1U << 31));
  return node;
}

std::optional<Mac> mac_of_host(const Host& host) {
  const auto lease = host.lease();
  if (!lease || lease->attributes.backend_data.empty()) return std::nullopt;
  const auto data = decode_vxlan_data(lease->attributes.backend_data);
  return data ? std::optional(data->vtep_mac) : std::nullopt;
}

}  // namespace

void change_address(World& world) {
  Host& host = world.any_host();
  if (!host.machine.runs() || host.gone || host.shares_with != nullptr) return;
  host.crash();
  host.change_address();
  world.say(
      fmt::format("{} has the address {} from now on", host.name(), to_string(host.public_ip)));
  world.in(world.chance_.between(milliseconds(1), seconds(10)), [&host] {
    if (!host.running() && !host.gone) host.start();
  });
}

// The address of a host that is gone, or that comes back with another, is given to the next.
void hand_on_address(World& world) {
  Host& former = world.any_host();
  if (!former.machine.runs() || former.shares_with != nullptr) return;
  Host* next = some_newcomer(world, former);
  if (next == nullptr) return;
  world.say(fmt::format("{} has the address {} of {} from now on", next->name(),
                        to_string(former.public_ip), former.name()));
  former.crash();
  next->crash();
  next->take_address_of(former);
  former.change_address();
  const auto wait = [&world] { return world.chance_.between(milliseconds(1), seconds(10)); };
  world.in(wait(), [next] { start_if_down(*next); });
  world.in(wait(), [&former] { start_if_down(former); });
}

void share_address(World& world) {
  Host& first = world.any_host();
  if (!first.running() || !first.machine.runs() || first.shares_with != nullptr) return;
  Host* later = some_newcomer(world, first);
  if (later == nullptr) return;
  const Duration time = some_while(world);
  world.say(fmt::format("{} has the address {} of {} as well, for {:.3f} s", later->name(),
                        to_string(first.public_ip), first.name(), in_seconds(time)));
  world.begin_sharing(first, *later);
  world.in(time, [&world, later] { world.end_sharing(*later); });
}

void join_as_a_copy(World& world) {
  if (world.hosts_.size() >= 14) return;
  Host& original = world.any_host();
  Host& copy = world.add_host();
  world.say(fmt::format("{} is a copy of {}", copy.name(), original.name()));
  copy.node_id = original.node_id;
  if (world.chance_.percent(50)) copy.boot_id = original.boot_id;  // a container beside it
  std::error_code none;
  std::filesystem::copy_file(original.subnet_file(), copy.subnet_file(), none);
  copy.start();
}

// With its boot and its subnet file, or without either.
void lose_state(World& world) {
  Host& host = world.any_host();
  if (!host.machine.runs() || host.gone) return;
  const bool boots = world.chance_.percent(50);
  const bool bare = world.chance_.percent(50);
  world.say(fmt::format("{} loses its state folder{}{}", host.name(),
                        bare ? ", its subnet file" : "", boots ? ", and boots anew" : ""));
  host.crash();
  host.rename();
  if (boots) host.boot_id = world.chance_.below(1U << 31);
  // A record that is gone as well, or has another address, cannot be found again.
  const Record* record =
      host.last_subnet ? world.store_.find(encode_subnet_key(*host.last_subnet)) : nullptr;
  const auto says = record != nullptr ? decode_lease_value(record->value)
                                      : Result<LeaseAttributes>(fail(ErrorKind::not_found, "none"));
  const bool found = says && says->public_ip == host.public_ip && is_alone(world, host);
  if (bare) std::filesystem::remove(host.subnet_file());
  if (bare && found && !host.only_record) host.only_record = record->revision;
  if (!found) host.unsure_until = world.timeline_.now() + minutes(60);
  host.start();
}

void lose_subnet_file(World& world) {
  Host& host = world.any_host();
  world.say("the subnet file of " + host.name() + " is lost");
  host.unsure_until = world.timeline_.now() + minutes(60);
  std::filesystem::remove(host.subnet_file());
}

// Mostly into a record that is younger than the host's.
void forge_mac(World& world) {
  const auto mac = mac_of_host(world.any_host());
  if (!mac) return;
  const std::string key = some_victim(world);
  const auto last = static_cast<std::uint8_t>(1 + world.chance_.below(250));
  LeaseAttributes forged = world.announcement(kStranger.plus(last), mac);
  forged.node = some_node(world);
  const Ttl ttl = some_ttl(world);
  world.say(fmt::format("a stranger announces the MAC {} at {}{}", to_string(*mac), key,
                        ttl ? "" : ", for ever"));
  world.store_.put(key, encode_lease_value(forged), ttl);
}

void claim_address(World& world) {
  Host& host = world.any_host();
  host.lose_address();
  const std::string key = some_victim(world);
  const auto mac = world.chance_.percent(50) ? mac_of_host(host) : std::nullopt;
  LeaseAttributes forged = world.announcement(host.public_ip, mac);
  forged.node = some_node(world);
  // What names no node is taken for the word of the host that had the address first.
  if (!forged.node && first_address(host.public_ip) != host.first_ip()) return;
  // Without a node and for ever it would be an operator's reservation.
  const Ttl ttl = forged.node ? some_ttl(world) : world.plan_.ttl;
  world.say(fmt::format("a stranger claims the address of {} at {}{}", host.name(), key,
                        ttl ? "" : ", for ever"));
  world.store_.put(key, encode_lease_value(forged), ttl);
}

}  // namespace flannel::simulation
