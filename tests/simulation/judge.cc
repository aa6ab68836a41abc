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

std::set<std::string> peers_in(const LeaseTable& table) {
  std::set<std::string> lines;
  for (const auto& [subnet, decoded] : table.leases()) {
    lines.insert(to_string(subnet) + "@" + to_string(decoded.lease.attributes.public_ip) + " " +
                 encode_lease_value(decoded.lease.attributes));
  }
  return lines;
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
  judge_subnet(host);
  judge_peers(host);
}

void Judge::judge_subnet(Host& host) const {
  const auto lease = host.lease();
  if (!lease) return;
  if (host.last_subnet && *host.last_subnet != lease->subnet) {
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
  if (host.believes_to_hold()) host.only_record.reset();
}

void Judge::judge_peers(Host& host) const {
  if (!host.running() || host.process().table() == nullptr) return;
  const auto leases = host.process().peers();
  for (const auto& [subnet, known] : host.known_peers) {
    const auto found = leases.find(subnet);
    const bool there = found != leases.end();
    const std::string key = encode_subnet_key(subnet);
    const bool own = host.lease() && host.lease()->subnet == subnet;
    const bool same =
        there && first_address(found->second.lease.attributes.public_ip) == known.first_ip;
    if (own || same || known.first_ip == host.first_ip()) continue;
    judge_lost_peer(host, subnet, known);
    // It goes only if the store has been without it since.
    if (!there && !store_.gave_cause_to_drop(key, known.revision)) {
      violation_(
          fmt::format("{} dropped its peer {}, which was there all the time", host.name(), key));
    }
  }
  std::map<SubnetKey, Host::KnownPeer> known;
  for (const auto& [subnet, decoded] : leases) {
    // Those that stay though the store has not got them come without their record.
    const Revision revision =
        decoded.record.revision != 0 ? decoded.record.revision : host.known_peers[subnet].revision;
    known[subnet] = {revision, first_address(decoded.lease.attributes.public_ip)};
  }
  host.known_peers = std::move(known);
}

// Nobody goes, or makes way for another, before it was away for the grace period of a missing peer.
void Judge::judge_lost_peer(const Host& host, const SubnetKey& subnet,
                            const Host::KnownPeer& peer) const {
  if (host.daemon != Host::Daemon::whole || peer.first_ip == host.first_ip()) return;
  const std::string key = encode_subnet_key(subnet);
  const TimePoint held_until = store_.held_until(key, peer.first_ip);
  if (timeline_.now() - held_until >= KnownPeers::kGracePeriod) return;
  // What a list did not tell of was away for this host since then.
  if (timeline_.now() - host.link.lied_at < 2 * KnownPeers::kRecheckAfter + kInFlight) return;
  // That it was back may not have been heard.
  const bool deaf = !host.is_undisturbed() || host.link.watch_lag != Duration::zero() ||
                    timeline_.now() - host.disturbed_at < kBackByThen;
  if (deaf || store_.lives_elsewhere(key, peer.first_ip)) return;
  violation_(fmt::format("{} did not wait for its peer {} at {}", host.name(),
                         to_string(peer.first_ip), key));
}

void Judge::after_expiry(const Record& record) const {
  for (const auto& host : hosts_) {
    const auto lease = host->lease();
    if (!lease || encode_subnet_key(lease->subnet) != record.key) continue;
    const auto says = decode_lease_value(record.value);
    if (!says || first_address(says->public_ip) != host->first_ip()) continue;
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
    const TimePoint excused = std::max({store_.robbed_at(encode_subnet_key(subnet)),
                                        host->unsure_until, first->second->unsure_until}) +
                              host->keeper_options.ttl + kInFlight;
    if (timeline_.now() <= excused || cannot_learn(*host) || cannot_learn(*first->second)) continue;
    violation_(fmt::format("{} and {} both believe to hold {}", first->second->name(), host->name(),
                           to_string(subnet)));
  }
}

void Judge::when_quiet() const {
  LeaseTable wanted(config_.network);
  wanted.apply_snapshot(store_.snapshot());
  const auto all = peers_in(wanted);
  for (const auto& host : hosts_) {
    if (host->gone) continue;
    if (!host->running() || host->process().keeper() == nullptr) {
      violation_(host->name() + " has not come up");
      continue;
    }
    if (!host->process().connected()) violation_(host->name() + " is not connected");
    judge_lease(*host);
    judge_name(*host);
    if (host->process().table() == nullptr) continue;
    const auto differs = difference(peers_in(*host->process().table()), all);
    if (!differs.empty()) violation_(host->name() + " disagrees with the store:" + differs);
    if (host->daemon == Host::Daemon::whole) judge_kernel(*host, wanted);
  }
}

// For long enough that one of the two has heard of it, and taken another node id.
bool Judge::is_copied(const Host& host) const {
  return std::any_of(hosts_.begin(), hosts_.end(), [&](const auto& other) {
    return other.get() != &host && other->gone && other->node_id == host.node_id;
  });
}

// No two hosts that run have one node id, and so none have one VTEP MAC.
void Judge::judge_name(const Host& host) const {
  if (host.daemon != Host::Daemon::whole) return;
  for (const auto& other : hosts_) {
    if (other.get() == &host || other->gone || other->node_id != host.node_id) continue;
    violation_(fmt::format("{} and {} have one node id still", host.name(), other->name()));
  }
}

void Judge::judge_lease(const Host& host) const {
  auto troubles = host.process().troubles();
  // It says so rightly, if it is, or had another address and boot before.
  std::erase_if(troubles, [&](const std::string& line) {
    return (is_copied(host) || host.addresses > 1) &&
           line.find("is a copy of the other") != std::string::npos;
  });
  const LeaseKeeper* keeper = host.process().keeper();
  if (keeper == nullptr || !keeper->lease()) {
    if (troubles.empty()) violation_(host.name() + " has no lease and says nothing");
    return;
  }
  const std::string key = encode_subnet_key(keeper->lease()->subnet);
  const Record* record = store_.find(key);
  const auto says = record ? decode_lease_value(record->value)
                           : Result<LeaseAttributes>(fail(ErrorKind::not_found, "none"));
  const bool own = says && says->public_ip == host.public_ip;
  if (keeper->phase() == LeasePhase::active || keeper->phase() == LeasePhase::renewing) {
    if (!own) violation_(host.name() + " holds " + key + " in its mind alone");
    if (!troubles.empty()) violation_(host.name() + " complains: " + text(troubles));
  } else if (own || troubles.empty()) {
    violation_(fmt::format("{} does not hold {} (is {}), {}, says {}", host.name(), key,
                           to_string(keeper->phase()), own ? "its own" : "another's",
                           text(troubles)));
  }
}

void Judge::judge_kernel(const Host& host, const LeaseTable& wanted) const {
  if (!host.lease()) return;
  std::set<std::string> want;
  for (const auto& [subnet, decoded] : wanted.leases()) {
    const LeaseAttributes& peer = decoded.lease.attributes;
    if (subnet == host.lease()->subnet || peer.public_ip == host.public_ip) continue;
    if (peer.backend_type != "host-gw") continue;
    want.insert(to_string(subnet.v4) + " via " + to_string(peer.public_ip));
  }
  std::set<std::string> have;
  for (const Route& route : host.kernel.state().routes)
    have.insert(to_string(route.to) + " via " + to_string(route.via));
  const auto differs = difference(have, want);
  if (!differs.empty()) violation_("the kernel of " + host.name() + " disagrees:" + differs);
}

}  // namespace flannel::simulation
