// SPDX-License-Identifier: Apache-2.0
#include "simulation/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "core/known_peers.h"
#include "simulation/configurations.h"

namespace flannel::simulation {
namespace {

std::string text(const std::vector<std::string>& lines) {
  return fmt::format("[{}]", fmt::join(lines, "; "));
}

std::string line(const SubnetKey& subnet, const LeaseAttributes& attributes) {
  return to_string(subnet) + " " + encode_lease_value(attributes);
}

// Each subnet of a family that both have is the same.
bool has_kept(const SubnetKey& before, const SubnetKey& now) {
  return std::ranges::all_of(kFamilies, [&](Family family) {
    const auto& had = before.at(family);
    return !had || !now.at(family) || now.at(family) == had;
  });
}

std::string difference(const std::set<std::string>& have, const std::set<std::string>& want) {
  std::string lines;
  for (const std::string& line : want) {
    if (!have.contains(line)) lines += "\n    lacks " + line;
  }
  for (const std::string& line : have) {
    if (!want.contains(line)) lines += "\n    has   " + line;
  }
  return lines;
}

}  // namespace

void Judge::after_turn(Host& host) const {
  host.note_networks();
  lose_name_with_families(host);
  const bool another_subnet = judge_subnet(host);
  judge_beginning(host);
  judge_left_name(host);
  judge_vteps(host, another_subnet);
  judge_peers(host);
  judge_ways(host);
}

// It has taken over a lease, perhaps, and its host lives, or seems to in a store that is set back.
bool Judge::may_give_way(const Host& host) const {
  const auto subnets = values_of(*host.subnet_since_start);
  return host.shares_address_at(host.first_subnet_at) || host.unsure_until >= host.started_at ||
         std::ranges::any_of(subnets, [&](const IpPrefix& subnet) {
           return store_.fates().robbed_at(subnet) >= host.started_at;
         });
}

void Judge::judge_families(const Host& host) const {
  const SubnetKey subnet = host.lease()->subnet;
  const NetworkConfig& config = *host.process().config();
  if (subnet.v4.has_value() == config.v4.has_value() &&
      subnet.v6.has_value() == config.v6.has_value())
    return;
  violation_(fmt::format("{} leases {}, which has not the families of its configuration",
                         host.name(), to_string(subnet)));
}

bool Judge::judge_subnet(Host& host) const {
  const auto lease = host.lease();
  if (!lease) return false;
  if (!follows_config_) judge_families(host);
  const bool gave_way =
      host.subnet_since_start && !has_kept(*host.subnet_since_start, lease->subnet);
  if (gave_way && !may_give_way(host)) {
    violation_(fmt::format("{} has left its subnet {} while it runs", host.name(),
                           to_string(*host.subnet_since_start)));
  }
  if (!host.subnet_since_start) host.first_subnet_at = timeline_.now();
  host.subnet_since_start = lease->subnet;
  bool another = false;
  for (const Family family : kFamilies) {
    const auto before = host.last_subnet ? host.last_subnet->at(family) : std::nullopt;
    if (!before || !lease->subnet.at(family) || before == lease->subnet.at(family)) continue;
    another = true;
    if (!gave_way) judge_other_subnet(host, *before, lease->subnet);
  }
  host.last_subnet = lease->subnet;
  if (host.believes_to_hold()) {
    host.only_record.reset();
    host.has_booted = false;
    host.is_known_by_node();
  }
  return another;
}

// A host that has started has another subnet than before.
void Judge::judge_other_subnet(const Host& host, const IpPrefix& before,
                               const SubnetKey& now) const {
  const Fates& fates = store_.fates();
  const bool taken = fates.foreign_at(before, host.first_ip()) >= host.started_at - kInFlight;
  // Its node id went, and then it booted.
  const bool nameless = host.has_booted && !host.known_by_node();
  const bool other_families = host.last_subnet->v4.has_value() != now.v4.has_value() ||
                              host.last_subnet->v6.has_value() != now.v6.has_value();
  // A record without a node, as people write it, is not known to be of a host that changed its
  // address, or uses the one of the other family now.
  const bool edited =
      (host.addresses > 1 || other_families) && fates.robbed_at(before) != TimePoint{};
  // A record of other families, or outside of what new leases may have, is not taken over.
  const bool lost =
      (host.only_record && store_.gave_cause_to_drop(before, host.first_ip(), *host.only_record)) ||
      ((host.only_record || nameless) &&
       (other_families || !is_allowed(*host.process().config(), *host.last_subnet)));
  // The network was smaller in the backup to which the store went.
  const auto& range = host.process().config()->at(before.family());
  const bool outside = range && !range->network.contains(before);
  // A host that booted, and whose record was gone when it reached its store, finds nothing of it.
  const bool forgotten =
      host.has_booted && store_.held_until(before, host.first_ip()) < timeline_.now();
  if (taken || edited || lost || outside || forgotten || host.unsure_until >= host.started_at)
    return;
  violation_(fmt::format("{} had {} and has {} now, though nobody took it", host.name(),
                         to_string(before), to_string(now)));
}

// The peer of this subnet has come to have an address of the host, which cannot send to it any
// more.
bool Judge::has_our_address(const Host& host, const IpPrefix& subnet) const {
  const bool shared =
      host.shares_with != nullptr || timeline_.now() - host.shares_until < kInFlight;
  if (shared) return true;
  const auto records = store_.snapshot().records;
  return std::ranges::any_of(records, [&](const Record& record) {
    const auto key = decode_subnet_key(record.key);
    const auto says = decode_lease_value(record.value);
    return key && key->at(subnet.family()) == subnet && says &&
           says->public_ips().shared_with(host.ips());
  });
}

void Judge::judge_peers(Host& host) const {
  if (!host.running() || host.process().table() == nullptr) return;
  const auto leases = host.process().peers();
  std::map<IpPrefix, const ListedLease*> peers;
  for (const auto& [key, listed] : leases) {
    for (const IpPrefix& subnet : values_of(key)) {
      if (host.process().config()->at(subnet.family())) peers.emplace(subnet, &listed);
    }
  }
  for (const auto& [subnet, known] : host.known_peers) {
    if (!host.process().config()->at(subnet.family())) continue;
    const auto found = peers.find(subnet);
    judge_peer(host, subnet, known, found == peers.end() ? nullptr : &*found->second->lease);
  }
  std::map<IpPrefix, Host::KnownPeer> known;
  for (const auto& [subnet, listed] : peers)
    known.emplace(subnet, known_as(*listed, host.known_peers[subnet]));
  host.known_peers = std::move(known);
}

Host::KnownPeer Judge::known_as(const ListedLease& listed, const Host::KnownPeer& before) const {
  Host::KnownPeer now = before;
  // Those that stay though the store has not got them come without their record.
  if (listed.revision != 0) now.revision = listed.revision;
  if (*listed.lease == before.lease) return now;
  const LeaseAttributes& says = listed.lease->attributes;
  now.lease = *listed.lease;
  now.first_ip = store_.owner_of(says);
  now.vteps = {vtep_of(says, Family::v4), vtep_of(says, Family::v6)};
  if (now.first_ip != before.first_ip || now.vteps != before.vteps) now.since = timeline_.now();
  return now;
}

// Those that its record has come to announce as well: with one of another host it is set aside.
std::vector<std::string> Judge::announced_vteps(const Host::KnownPeer& known) const {
  std::vector<std::string> vteps = known.vteps;
  const Record* record = store_.find(encode_subnet_key(known.lease.subnet));
  const auto says = record ? decode_lease_value(record->value)
                           : Result<LeaseAttributes>(fail(ErrorKind::not_found, "none"));
  if (!says) return vteps;
  for (const Family family : kFamilies)
    vteps.push_back(vtep_of(*says, family));
  return vteps;
}

// `now`: the lease that has the subnet of the known peer; null: none.
void Judge::judge_peer(const Host& host, const IpPrefix& subnet, const Host::KnownPeer& known,
                       const Lease* now) const {
  // The host's own lease does not wait for what it overlaps.
  const bool own = host.lease() && host.lease()->subnet.overlaps(known.lease.subnet);
  const LeaseAttributes* says = now == nullptr ? nullptr : &now->attributes;
  const PublicIps ips = known.lease.attributes.public_ips();
  const bool is_bare = !known.lease.attributes.node;  // its addresses are all it says of itself
  const bool same = says != nullptr && (store_.owner_of(*says) == known.first_ip ||
                                        (is_bare && says->public_ips() == ips));
  if (ips.shared_with(host.ips())) return;
  // The store may have lost it since the host heard of it.
  if (says != nullptr && says->public_ips().shared_with(host.ips())) return;
  if (own || same || known.first_ip == host.first_ip() || has_our_address(host, subnet)) return;
  // Where a record is not used it protects no MAC of its host's.
  const auto unused = keys_outside(host, store_.snapshot());
  for (const std::string& vtep : announced_vteps(known)) {
    if (store_.claims().had_to_be_left(vtep, known.first_ip, known.since - kInFlight, unused))
      return;
  }
  judge_lost_peer(host, subnet, known);
  // A host that was lied to takes a new record of the peer's for a change of its subnets, and that
  // of another host for their new owner's.
  const bool replaced = store_.lives_elsewhere(subnet, known.first_ip) ||
                        is_taken(known.first_ip, known.lease.subnet);
  if (was_lied_to(host) && replaced) return;
  // It goes only if the store has been without it since.
  if (says == nullptr && !store_.gave_cause_to_drop(subnet, known.first_ip, known.revision)) {
    violation_(fmt::format("{} dropped its peer {} at {}, which was there all the time",
                           host.name(), to_string(known.first_ip), to_string(subnet)));
  }
}

bool Judge::was_lied_to(const Host& host) const {
  return timeline_.now() - host.link.lied_at < 2 * KnownPeers::kRecheckAfter + kInFlight;
}

// Nobody goes, or makes way for another, before it was away for the grace period of a missing peer.
void Judge::judge_lost_peer(const Host& host, const IpPrefix& subnet,
                            const Host::KnownPeer& peer) const {
  if (host.daemon != Host::Daemon::whole || peer.first_ip == host.first_ip()) return;
  // The store knows no owner of records of unknown nodes, so it takes two strangers for one.
  if (peer.first_ip == kStranger) return;
  const TimePoint held_until = store_.held_until(subnet, peer.first_ip);
  if (timeline_.now() - held_until >= KnownPeers::kGracePeriod) return;
  // What a list did not tell of was away for this host since then.
  if (was_lied_to(host)) return;
  // That it was back may not have been heard.
  const bool deaf = !host.is_undisturbed() || host.link.watch_lag != Duration::zero() ||
                    timeline_.now() - host.disturbed_at < kBackByThen;
  if (deaf || store_.lives_elsewhere(subnet, peer.first_ip)) return;
  // What it took over by its address goes back to a host that has that too; it has left this one.
  const TimePoint lately = timeline_.now() - 2 * KnownPeers::kGracePeriod;
  if (store_.has_written_elsewhere(subnet, peer.first_ip, lately)) return;
  // Without its state folder it has put another node in place of what the host knew.
  const bool anew =
      timeline_.now() - store_.renamed_at(peer.first_ip) < 2 * KnownPeers::kGracePeriod;
  if (anew) return;
  violation_(fmt::format("{} did not wait for its peer {} at {}", host.name(),
                         to_string(peer.first_ip), to_string(subnet)));
}

void Judge::after_expiry(const Record& record) const {
  for (const auto& host : hosts_) {
    const auto lease = host->lease();
    if (!lease || encode_subnet_key(lease->subnet) != record.key) continue;
    const auto says = decode_lease_value(record.value);
    if (!says || store_.owner_of(*says) != host->first_ip()) continue;
    // A backup brought the record back after the host had left its node id to a copy and moved to
    // another address: nothing in the record says that it is the host's.
    const bool of_old_name = says->node && says->node->id != host->node_id;
    if (of_old_name && name_of(*says) != host->public_ip) continue;
    if (!host->is_undisturbed() || timeline_.now() - host->disturbed_at < kBackByThen) continue;
    // A clock that stood still does not know how old the lease is.
    if (timeline_.now() < host->unsure_until + host->keeper_options.ttl) continue;
    violation_(fmt::format("{} let its lease on {} lapse", host->name(), record.key));
  }
}

void Judge::when_quiet() const {
  const Snapshot all = store_.snapshot();
  for (const auto& host : hosts_) {
    if (host->gone) continue;
    if (!host->running() || host->process().keeper() == nullptr) {
      violation_(host->name() + " has not come up");
      continue;
    }
    if (!host->process().connected()) violation_(host->name() + " is not connected");
    const bool has_table = host->process().table() != nullptr;
    const ExpectedPeers expected = has_table ? expected_peers(*host, all) : ExpectedPeers();
    judge_config(*host);
    judge_lease(*host, expected);
    judge_name(*host);
    if (!has_table) continue;
    judge_table(*host, expected);
    judge_alarms(*host, expected);
    if (host->daemon == Host::Daemon::whole) judge_kernel(*host, expected);
  }
}

// The record of another host than the owner has one of the subnets.
bool Judge::is_taken(IpAddress owner, const SubnetKey& subnet) const {
  return has_record(subnet, [&](const LeaseAttributes* says) {
    return says == nullptr || store_.owner_of(*says) != owner;
  });
}

// Or a record of the host's own, which it cannot recognise.
bool Judge::seems_taken(const Host& host, const SubnetKey& subnet) const {
  return is_taken(host.first_ip(), subnet) || has_record(subnet, [&](const LeaseAttributes* says) {
           return says != nullptr && is_unrecognised(host, *says);
         });
}

bool Judge::has_record(const SubnetKey& subnet,
                       const std::function<bool(const LeaseAttributes*)>& is_meant) const {
  const auto records = store_.snapshot().records;
  return std::ranges::any_of(records, [&](const Record& record) {
    const auto key = decode_subnet_key(record.key);
    const auto says = decode_lease_value(record.value);
    return key && key->overlaps(subnet) && is_meant(says ? &*says : nullptr);
  });
}

void Judge::judge_lease(const Host& host, const ExpectedPeers& expected) const {
  if (host.drained) return judge_drained(host);
  auto troubles = unexpected(host, expected, host.process().troubles());
  const LeaseKeeper* keeper = host.process().keeper();
  if (!keeper->lease()) {
    if (troubles.empty()) violation_(host.name() + " has no lease and says nothing");
    return;
  }
  const std::string key = encode_subnet_key(keeper->lease()->subnet);
  const Record* record = store_.find(key);
  const auto says = record ? decode_lease_value(record->value)
                           : Result<LeaseAttributes>(fail(ErrorKind::not_found, "none"));
  const bool own =
      says && name_of(*says) == host.public_ip && store_.owner_of(*says) == host.first_ip();
  if (keeper->phase() == LeasePhase::active || keeper->phase() == LeasePhase::renewing) {
    // What is written into its record for ever makes it a reservation, which yields to no host that
    // had leased a subnet of it meanwhile.
    const bool taken = seems_taken(host, keeper->lease()->subnet);
    const bool disputed = own && !record->expires() && taken;
    const bool has_table = host.process().table() != nullptr;
    const bool believed = !has_table || disputed || (own && has_reservation(host)) ||
                          expected.leases.contains(keeper->lease()->subnet);
    if (!own || !believed) violation_(host.name() + " holds " + key + " in its mind alone");
    // Another record on its subnet may become the older one by an exchange.
    if (!taken) judge_families(host);
    // So it says.
    if (taken)
      std::erase_if(troubles, [](const std::string& line) {
        return line.find("change the families of the lease") != std::string::npos;
      });
    judge_backend(host, own ? *says : keeper->lease()->attributes);
    if (!troubles.empty()) violation_(host.name() + " complains: " + text(troubles));
    return;
  }
  const bool taken = seems_taken(host, keeper->lease()->subnet);
  // When another record has become the older one, its own stays until it expires.
  const bool stands = own && expected.leases.contains(keeper->lease()->subnet);
  if (stands || !taken || troubles.empty()) {
    violation_(fmt::format("{} does not hold {} (is {}), {}, says {}", host.name(), key,
                           to_string(keeper->phase()), own ? "its own" : "another's or nobody's",
                           text(troubles)));
  }
}

void Judge::judge_table(const Host& host, const ExpectedPeers& expected) const {
  std::set<std::string> want;
  for (const auto& [subnet, attributes] : expected.leases)
    want.insert(line(subnet, attributes));
  std::set<std::string> have;
  for (const auto& [subnet, listed] : host.process().table()->leases())
    have.insert(line(subnet, listed.lease->attributes));
  const auto differs = difference(have, want);
  if (!differs.empty()) violation_(host.name() + " disagrees with the store:" + differs);
}

void Judge::judge_kernel(const Host& host, const ExpectedPeers& expected) const {
  if (!host.lease()) return;
  const auto differs = difference(kernel_rows(host), expected_rows(host, expected).rows);
  if (!differs.empty()) violation_("the kernel of " + host.name() + " disagrees:" + differs);
}

}  // namespace flannel::simulation
