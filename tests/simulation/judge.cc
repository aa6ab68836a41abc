// SPDX-License-Identifier: Apache-2.0
#include "simulation/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/known_peers.h"

namespace flannel::simulation {
namespace {

// A call under way when the cause arose is answered within its deadline, and a retry follows.
constexpr auto kInFlight = std::chrono::seconds(30);
// The longest pause between two tries, and calls that time out.
constexpr auto kBackByThen = std::chrono::seconds(40);

std::string text(const std::vector<std::string>& lines) {
  return fmt::format("[{}]", fmt::join(lines, "; "));
}

std::string line(const SubnetKey& subnet, const LeaseAttributes& attributes) {
  return to_string(subnet) + " " + encode_lease_value(attributes);
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
  const bool another_subnet = judge_subnet(host);
  judge_left_name(host);
  judge_mac(host, another_subnet);
  judge_peers(host);
  judge_ways(host);
}

// It has taken over a lease, perhaps, and its host lives, or seems to in a store that is set back.
bool Judge::may_give_way(const Host& host) const {
  const std::string key = encode_subnet_key(*host.subnet_since_start);
  return host.shares_address_at(host.first_subnet_at) || host.unsure_until >= host.started_at ||
         store_.robbed_at(key) >= host.started_at;
}

bool Judge::judge_subnet(Host& host) const {
  const auto lease = host.lease();
  if (!lease) return false;
  const bool another = host.last_subnet && *host.last_subnet != lease->subnet;
  const bool gave_way = host.subnet_since_start && *host.subnet_since_start != lease->subnet;
  if (gave_way && !may_give_way(host)) {
    violation_(fmt::format("{} has left its subnet {} while it runs", host.name(),
                           to_string(*host.subnet_since_start)));
  }
  if (!host.subnet_since_start) host.first_subnet_at = timeline_.now();
  host.subnet_since_start = lease->subnet;
  if (another && !gave_way) {
    const std::string key = encode_subnet_key(*host.last_subnet);
    const bool taken = store_.foreign_at(key, host.first_ip()) >= host.started_at - kInFlight;
    // A record without a node, as people write it, is not known to be of a host that changed its
    // address.
    const bool edited = host.addresses > 1 && store_.robbed_at(key) != TimePoint{};
    const bool lost = host.only_record && store_.gave_cause_to_drop(key, *host.only_record);
    if (!taken && !edited && !lost && host.unsure_until < host.started_at) {
      violation_(fmt::format("{} had {} and has {} now, though nobody took it", host.name(),
                             to_string(*host.last_subnet), to_string(lease->subnet)));
    }
  }
  host.last_subnet = lease->subnet;
  if (host.believes_to_hold()) {
    host.only_record.reset();
    host.is_known_by_node();
  }
  return another;
}

// The peer at this key has come to have the address of the host, which cannot send to it any more.
bool Judge::has_our_address(const Host& host, const std::string& key) const {
  const Record* record = store_.find(key);
  const auto says = record ? decode_lease_value(record->value)
                           : Result<LeaseAttributes>(fail(ErrorKind::not_found, "none"));
  const bool shared =
      host.shares_with != nullptr || timeline_.now() - host.shares_until < kInFlight;
  return shared || (says && says->public_ip == host.public_ip);
}

void Judge::judge_peers(Host& host) const {
  if (!host.running() || host.process().table() == nullptr) return;
  const auto leases = host.process().peers();
  for (const auto& [subnet, known] : host.known_peers) {
    const auto found = leases.find(subnet);
    const bool there = found != leases.end();
    const std::string key = encode_subnet_key(subnet);
    const bool own = host.lease() && host.lease()->subnet == subnet;
    const LeaseAttributes* says = there ? &found->second.lease.attributes : nullptr;
    const bool same = there && (store_.owner_of(*says) == known.first_ip ||
                                (known.is_bare && says->public_ip == known.public_ip));
    if (known.public_ip == host.public_ip) continue;
    if (own || same || known.first_ip == host.first_ip() || has_our_address(host, key)) continue;
    if (store_.claims().had_to_be_left(known.mac, known.first_ip, known.since - kInFlight))
      continue;
    judge_lost_peer(host, subnet, known);
    // It goes only if the store has been without it since.
    if (!there && !store_.gave_cause_to_drop(key, known.revision)) {
      violation_(
          fmt::format("{} dropped its peer {}, which was there all the time", host.name(), key));
    }
  }
  std::map<SubnetKey, Host::KnownPeer> known;
  for (const auto& [subnet, decoded] : leases) {
    const LeaseAttributes& says = decoded.lease.attributes;
    const Host::KnownPeer& before = host.known_peers[subnet];
    Host::KnownPeer& now = known[subnet];
    now = {.revision = decoded.record.revision,
           .first_ip = store_.owner_of(says),
           .public_ip = says.public_ip,
           .is_bare = !says.node,
           .mac = mac_of(says),
           .since = timeline_.now()};
    // Those that stay though the store has not got them come without their record.
    if (now.revision == 0) now.revision = before.revision;
    if (now.first_ip == before.first_ip && now.mac == before.mac) now.since = before.since;
  }
  host.known_peers = std::move(known);
}

// Nobody goes, or makes way for another, before it was away for the grace period of a missing peer.
void Judge::judge_lost_peer(const Host& host, const SubnetKey& subnet,
                            const Host::KnownPeer& peer) const {
  if (host.daemon != Host::Daemon::whole || peer.first_ip == host.first_ip()) return;
  // The store knows no owner of records of unknown nodes, so it takes two strangers for one.
  if (peer.first_ip == kStranger) return;
  const std::string key = encode_subnet_key(subnet);
  const TimePoint held_until = store_.held_until(key, peer.first_ip);
  if (timeline_.now() - held_until >= KnownPeers::kGracePeriod) return;
  // What a list did not tell of was away for this host since then.
  if (timeline_.now() - host.link.lied_at < 2 * KnownPeers::kRecheckAfter + kInFlight) return;
  // That it was back may not have been heard.
  const bool deaf = !host.is_undisturbed() || host.link.watch_lag != Duration::zero() ||
                    timeline_.now() - host.disturbed_at < kBackByThen;
  if (deaf || store_.lives_elsewhere(key, peer.first_ip)) return;
  // Without its state folder it has put another node in place of what the host knew.
  const bool anew =
      timeline_.now() - store_.renamed_at(peer.first_ip) < 2 * KnownPeers::kGracePeriod;
  if (anew) return;
  violation_(fmt::format("{} did not wait for its peer {} at {}", host.name(),
                         to_string(peer.first_ip), key));
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
    if (of_old_name && says->public_ip != host->public_ip) continue;
    if (!host->is_undisturbed() || timeline_.now() - host->disturbed_at < kBackByThen) continue;
    // A clock that stood still does not know how old the lease is.
    if (timeline_.now() < host->unsure_until + host->keeper_options.ttl) continue;
    violation_(fmt::format("{} let its lease on {} lapse", host->name(), record.key));
  }
}

// That its reservation is lost only the store can tell it, if it reaches it.
bool Judge::cannot_learn(const Host& host) const {
  const bool undisturbed =
      host.is_undisturbed() && timeline_.now() - host.disturbed_at >= kBackByThen;
  return host.holds_without_end() && !undisturbed;
}

void Judge::compare_beliefs() const {
  std::map<SubnetKey, const Host*> owners;
  for (const auto& host : hosts_) {
    if (!host->believes_to_hold()) continue;
    const SubnetKey subnet = host->lease()->subnet;
    const auto [first, fresh] = owners.emplace(subnet, host.get());
    if (fresh) continue;
    // Whoever was robbed by hand, or whose clock stood still, may learn of it as late as at the
    // end of its lease.
    const Host& other = *first->second;
    if (host->shares_with == &other) continue;
    const TimePoint excused =
        std::max({store_.robbed_at(encode_subnet_key(subnet)), host->unsure_until,
                  other.unsure_until, host->shares_until}) +
        host->keeper_options.ttl + kInFlight;
    if (timeline_.now() <= excused || cannot_learn(*host) || cannot_learn(*first->second)) continue;
    violation_(fmt::format("{} and {} both believe to hold {}", first->second->name(), host->name(),
                           to_string(subnet)));
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
    judge_lease(*host, expected);
    judge_name(*host);
    if (!has_table) continue;
    judge_table(*host, expected);
    judge_alarms(*host, expected);
    if (host->daemon == Host::Daemon::whole) judge_kernel(*host, expected);
  }
}

void Judge::judge_lease(const Host& host, const ExpectedPeers& expected) const {
  const auto troubles = unexpected(host, expected, host.process().troubles());
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
      says && says->public_ip == host.public_ip && store_.owner_of(*says) == host.first_ip();
  if (keeper->phase() == LeasePhase::active || keeper->phase() == LeasePhase::renewing) {
    if (!own) violation_(host.name() + " holds " + key + " in its mind alone");
    if (!troubles.empty()) violation_(host.name() + " complains: " + text(troubles));
  } else if (record == nullptr || own || troubles.empty()) {
    violation_(fmt::format("{} does not hold {} (is {}), {}, says {}", host.name(), key,
                           to_string(keeper->phase()),
                           own                 ? "its own"
                           : record == nullptr ? "nobody's"
                                               : "another's",
                           text(troubles)));
  }
}

void Judge::judge_table(const Host& host, const ExpectedPeers& expected) const {
  std::set<std::string> want;
  for (const auto& [subnet, attributes] : expected.leases)
    want.insert(line(subnet, attributes));
  std::set<std::string> have;
  for (const auto& [subnet, decoded] : host.process().table()->leases())
    have.insert(line(subnet, decoded.lease.attributes));
  const auto differs = difference(have, want);
  if (!differs.empty()) violation_(host.name() + " disagrees with the store:" + differs);
}

void Judge::judge_kernel(const Host& host, const ExpectedPeers& expected) const {
  if (!host.lease()) return;
  const auto differs =
      difference(kernel_rows(host), expected_rows(host, expected, config_.backend_type));
  if (!differs.empty()) violation_("the kernel of " + host.name() + " disagrees:" + differs);
}

}  // namespace flannel::simulation
