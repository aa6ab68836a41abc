// SPDX-License-Identifier: Apache-2.0
// What befalls the things that tell hosts apart: addresses, state folders, node ids and MACs.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/lease.h"
#include "core/subnet_picking.h"
#include "simulation/configurations.h"
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
    return says && says->public_ips().shared_with(host.ips());
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

// What the host announces of its device of a family; empty: nothing.
std::string data_of(const Host& host, Family family) {
  const auto lease = host.lease();
  return lease ? lease->attributes.data(family) : std::string();
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
  copy.kept_state = original.kept_state;
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
  host.kept_state.reset();
  host.drained = false;
  if (boots) host.boot_id = world.chance_.below(1U << 31);
  // A record that is gone as well, or has another address or other families, cannot be found again.
  const Record* record =
      host.last_subnet ? world.store_.find(encode_subnet_key(*host.last_subnet)) : nullptr;
  const auto says = record != nullptr ? decode_lease_value(record->value)
                                      : Result<LeaseAttributes>(fail(ErrorKind::not_found, "none"));
  const bool found = says && name_of(*says) == host.public_ip && is_alone(world, host) &&
                     can_be_kept(world.config(), *host.last_subnet) &&
                     (!bare || is_allowed(world.config(), *host.last_subnet));
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
  const Family family = world.chance_.percent(50) ? Family::v4 : Family::v6;
  const std::string data = data_of(world.any_host(), family);
  LeaseAttributes forged = world.stranger();
  if (data.empty() || !forged.public_ips().at(family)) return;
  const std::string key = some_victim(world);
  forged.data(family) = data;
  forged.node = some_node(world);
  const Ttl ttl = some_ttl(world);
  world.say(fmt::format("a stranger announces the {} MAC of {} at {}{}", to_string(family), data,
                        key, ttl ? "" : ", for ever"));
  world.store_.put(key, encode_lease_value(forged), ttl);
}

void claim_address(World& world) {
  Host& host = world.any_host();
  const std::string key = some_victim(world);
  const auto node = some_node(world);
  PublicIps ips = world.enabled_ips(host.public_ip);
  // The IPv4 address tells hosts with both apart.
  const bool v6_alone = ips.v4 && ips.v6 && node && world.chance_.percent(30);
  if (v6_alone) ips.v4 = world.some_stranger();
  if (!v6_alone) host.lose_address();
  // A record with its address and a subnet of its file is its own; without IPv4, also this one.
  const auto subnets = decode_subnet_key(key);
  const bool of_its_file = host.last_subnet && subnets->shares_subnet_with(*host.last_subnet);
  if (of_its_file && (!v6_alone || world.changes_config_))
    host.unsure_until = std::max(host.unsure_until, world.timeline_.now() + minutes(60));
  LeaseAttributes forged = world.announcement(ips);
  for (const IpAddress& ip : values_of(ips)) {
    const std::string data = data_of(host, ip.family);
    if (!data.empty() && world.chance_.percent(50)) forged.data(ip.family) = data;
  }
  forged.node = node;
  // What names no node is taken for the word of the host that had the address first.
  if (!node && first_address(host.public_ip) != host.first_ip()) return;
  // Without a node and for ever it would be an operator's reservation.
  const Ttl ttl = node ? some_ttl(world) : world.plan_.ttl;
  world.say(fmt::format("a stranger claims the {}address of {} at {}{}", v6_alone ? "IPv6 " : "",
                        host.name(), key, ttl ? "" : ", for ever"));
  world.store_.put(key, encode_lease_value(forged), ttl);
}

}  // namespace flannel::simulation
