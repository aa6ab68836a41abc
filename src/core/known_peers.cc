// SPDX-License-Identifier: Apache-2.0
#include "core/known_peers.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace flannel {
namespace {

// True if the host of the lease `before` wrote `now`, perhaps with another address or MAC. A lease
// without a node in place of one with a node was written by hand.
bool is_of_same_host(const LeaseAttributes& before, const LeaseAttributes& now) {
  const bool same_host = HostIdentity::writer_of(before).wrote(now);
  return same_host && (now.node || !before.node);
}

// True if the MAC that `before` announced is that of `now`, too: a host that has booted with
// another address has its node id still.
bool keeps_mac(const LeaseAttributes& before, const LeaseAttributes& now) {
  const bool same_node = before.node && now.node && before.node->id == now.node->id;
  return same_node || is_of_same_host(before, now);
}

template <typename Kind>
bool has(const std::vector<Change>& changes) {
  return std::any_of(changes.begin(), changes.end(),
                     [](const Change& change) { return std::holds_alternative<Kind>(change); });
}

}  // namespace

KnownPeers::KnownPeers(LeaseTable table, HostIdentity host, Random random)
    : table_(std::move(table)), host_(host), random_(std::move(random)) {}

void KnownPeers::set_host(const HostIdentity& host) {
  host_ = host;
  table_.set_host(host);
}

std::vector<PeerChange> KnownPeers::on_snapshot(TimePoint now, const Snapshot& snapshot) {
  list_wanted_ = false;
  config_there_ = snapshot.config.has_value();
  const std::size_t before = peers();
  Changes result;
  Lost lost;
  take_in(now, table_.apply_snapshot(snapshot), result, lost);
  // A lease that has waited for a missing peer and is gone as well was no peer: so not earlier.
  confirm(now, result);
  classify_loss(now, before, lost);
  return result;
}

std::vector<PeerChange> KnownPeers::on_changes(TimePoint now, const std::vector<Change>& changes) {
  if (has<ConfigGone>(changes)) config_there_ = false;
  if (has<ConfigPut>(changes)) config_there_ = true;
  const std::size_t before = peers();
  Changes result;
  Lost lost;
  for (const Change& change : changes)
    take_in(now, table_.apply(change), result, lost);
  classify_loss(now, before, lost);
  return result;
}

ListedLeases KnownPeers::leases() const {
  auto all = table_.leases();
  for (const auto& [subnet, missing] : missing_.all()) {
    for (const SubnetKey& waiting : waiting_for(missing))
      all.erase(waiting);
  }
  for (const auto& [subnet, missing] : missing_.all())
    all.emplace(subnet, ListedLease{missing.lease});
  return all;
}

const Lease* KnownPeers::find(const SubnetKey& subnet) const {
  const auto listed = table_.leases().find(subnet);
  if (listed != table_.leases().end() && !waits(listed->second.lease)) {
    return &*listed->second.lease;
  }
  const auto missing = missing_.all().find(subnet);
  return missing == missing_.all().end() ? nullptr : &*missing->second.lease;
}

// True if the lease is no peer yet because it conflicts with a missing peer. Our own lease never
// waits.
bool KnownPeers::waits(const Lease& lease) const {
  return !is_surely_ours(lease) && !missing_.conflicting_with(lease).empty();
}

// Returns false for a record that has nothing of ours but the address: anybody may have written it
// by hand. A peer does not make way for such a record.
bool KnownPeers::is_surely_ours(const Lease& lease) const {
  const Ownership ownership = host_.ownership(lease);
  return ownership != Ownership::none && (ownership != Ownership::address || !host_.node);
}

// True if the lease is no peer yet because a missing peer elsewhere announced its MAC.
bool KnownPeers::waits_for_mac(const Lease& lease) const {
  if (is_surely_ours(lease)) return false;
  return std::ranges::any_of(missing_.conflicting_with(lease), [&](const SubnetKey& missing) {
    return !missing.overlaps(lease.subnet);
  });
}

// True if the host of this missing peer has another lease on its subnet, which is no peer yet
// because of its MAC. Without this peer the host would not be reached at all meanwhile.
bool KnownPeers::successor_waits_for_mac(const MissingPeers::Peer& missing) const {
  return std::ranges::any_of(
      table_.conflicting_with(missing.lease, missing.vteps), [&](const SubnetKey& subnet) {
        const Lease& lease = table_.leases().at(subnet).lease;
        return subnet.overlaps(missing.lease->subnet) && waits_for_mac(lease) &&
               is_of_same_host(missing.lease->attributes, lease.attributes);
      });
}

std::vector<SubnetKey> KnownPeers::waiting_for(const MissingPeers::Peer& missing) const {
  auto waiting = table_.conflicting_with(missing.lease, missing.vteps);
  std::erase_if(waiting, [&](const SubnetKey& subnet) {
    return is_surely_ours(table_.leases().at(subnet).lease);
  });
  return waiting;
}

// Handles one change of the table: first all losses, then the missing peers that need not be waited
// for, then the leases that need not wait. So a lease waits for a peer that the same change loses.
void KnownPeers::take_in(TimePoint now, Changes changes, Changes& result, Lost& lost) {
  forget_waiting(changes);
  Affected affected;
  for (const PeerChange& change : changes) {
    if (const auto* up = std::get_if<PeerUp>(&change)) {
      on_up(now, *up, affected);
      continue;
    }
    const Shared<Lease>& lease = std::get<PeerDown>(change).lease;
    on_down(now, lease, result);
    if (missing_.all().contains(lease->subnet)) lost.push_back(lease->subnet);
  }
  for (const PeerChange& change : changes) {
    if (const auto* up = std::get_if<PeerUp>(&change)) make_way_for(now, *up, affected);
  }
  keep_former(now, changes, affected);
  come_up(std::move(affected), result);
}

// Leases that have waited until now were no peers: removes their losses, and what they were before.
void KnownPeers::forget_waiting(Changes& changes) const {
  std::erase_if(changes, [&](const PeerChange& change) {
    const auto* down = std::get_if<PeerDown>(&change);
    return down != nullptr && waits(down->lease);
  });
  for (PeerChange& change : changes) {
    auto* up = std::get_if<PeerUp>(&change);
    if (up != nullptr && up->before && waits(*up->before)) up->before.reset();
  }
}

void KnownPeers::on_down(TimePoint now, const Shared<Lease>& lease, Changes& result) {
  if (!host_.owns(lease)) return add_missing(now, lease);
  own_there_ = false;
  own_lost_ = now;
  result.emplace_back(PeerDown{lease});
}

// A peer becomes missing when another host has its lease.
void KnownPeers::on_up(TimePoint now, const PeerUp& up, Affected& affected) {
  const SubnetKey& subnet = up.lease->subnet;
  const bool own = host_.owns(up.lease);
  const bool was_own = up.before && host_.owns(*up.before);
  own_there_ = own || (own_there_ && !was_own);
  affected.to_check.insert(subnet);
  if (!up.before) return;
  const Shared<Lease>& before = *up.before;
  if (own || was_own || is_of_same_host(before->attributes, up.lease->attributes)) {
    affected.before.emplace(subnet, before);
  } else {
    add_missing(now, before);
  }
}

// Removes the missing peers for which the lease that came or changed need not wait.
void KnownPeers::make_way_for(TimePoint now, const PeerUp& up, Affected& affected) {
  const Lease& lease = up.lease;
  for (const SubnetKey& subnet : missing_.resembling(lease.attributes)) {
    const LeaseAttributes& missing = missing_.all().at(subnet).lease->attributes;
    const bool elsewhere = !subnet.overlaps(lease.subnet);
    if (elsewhere && is_of_same_host(missing, lease.attributes)) let_go(subnet, affected);
  }
  // The MAC of a peer that only changes its address leads to the new address, also if the peer was
  // missing until now.
  const auto known = missing_.all().find(lease.subnet);
  const LeaseAttributes* before = up.before ? &(*up.before)->attributes : nullptr;
  if (before == nullptr && known != missing_.all().end()) before = &known->second.lease->attributes;
  if (before != nullptr && keeps_mac(*before, lease.attributes)) {
    const AnnouncedVteps kept = announced_vteps(*before);
    for (const SubnetKey& subnet : missing_.conflicting_with(lease)) {
      const bool elsewhere = !subnet.overlaps(lease.subnet);
      if (elsewhere && share_a_vtep(kept, missing_.all().at(subnet).vteps))
        let_go(subnet, affected);
    }
  }
  make_way_for_subnet(now, lease, affected);
}

void KnownPeers::make_way_for_subnet(TimePoint now, const Lease& lease, Affected& affected) {
  const std::vector<SubnetKey> in_the_way = missing_.overlapping(lease.subnet);
  bool all_make_way = !waits_for_mac(lease);
  for (const SubnetKey& subnet : in_the_way) {
    const MissingPeers::Peer& missing = missing_.all().at(subnet);
    if (is_surely_ours(lease) || *missing.lease == lease) continue;
    if (is_of_same_host(missing.lease->attributes, lease.attributes)) continue;
    all_make_way = false;
    if (now >= missing.grace_end) extend_grace(now, subnet);
  }
  for (const SubnetKey& subnet : in_the_way) {
    if (all_make_way) {
      let_go(subnet, affected);
    } else {
      // A peer that would make way if it were alone goes together with the others.
      missing_.report_again(subnet);
    }
  }
}

// A peer that now announces the MAC of a missing peer stays as it was for a grace period.
void KnownPeers::keep_former(TimePoint now, const Changes& changes, Affected& affected) {
  Changes waiting;
  for (const PeerChange& change : changes) {
    const auto* up = std::get_if<PeerUp>(&change);
    if (up != nullptr && up->before && waits(up->lease)) waiting.push_back(change);
  }
  for (const PeerChange& change : waiting) {
    const auto& up = std::get<PeerUp>(change);
    const Shared<Lease>& former = *up.before;
    if (host_.owns(former) || affected.before.erase(former->subnet) == 0) continue;
    add_missing(now, former);
  }
}

void KnownPeers::add_missing(TimePoint now, const Shared<Lease>& lease) {
  const TimePoint end = now + kGracePeriod;
  missing_.add(lease, now, end);
  grace_end_ = std::min(grace_end_, end);
}

void KnownPeers::extend_grace(TimePoint now, const SubnetKey& subnet) {
  const TimePoint end = now + kGracePeriod;
  missing_.extend_grace(subnet, end);
  grace_end_ = std::min(grace_end_, end);
}

void KnownPeers::let_go(const SubnetKey& subnet, Affected& affected) {
  MissingPeers::Peer peer = missing_.let_go(subnet);
  for (const SubnetKey& waiting : waiting_for(peer))
    affected.to_check.insert(waiting);
  affected.before.emplace(subnet, peer.lease);
}

// A lease that waits for nothing but missing peers of its own host takes their place.
void KnownPeers::let_predecessors_go(Affected& affected) {
  for (const SubnetKey& subnet : std::set(affected.to_check)) {
    const Lease& lease = table_.leases().at(subnet).lease;
    const std::vector<SubnetKey> in_the_way = missing_.conflicting_with(lease);
    const bool all_its_own = std::ranges::all_of(in_the_way, [&](const SubnetKey& other) {
      return other.overlaps(subnet) &&
             is_of_same_host(missing_.all().at(other).lease->attributes, lease.attributes);
    });
    if (!all_its_own) continue;
    for (const SubnetKey& other : in_the_way)
      let_go(other, affected);
  }
}

// Adds to `result` what became of the affected peers: downs before ups.
void KnownPeers::come_up(Affected affected, Changes& result) {
  let_predecessors_go(affected);
  Changes ups;
  for (const SubnetKey& subnet : affected.to_check) {
    const ListedLease& now = table_.leases().at(subnet);
    if (waits(now.lease)) continue;
    affected.before.erase(subnet);
    ups.emplace_back(PeerUp{now.lease, {}, now.created});
  }
  for (const auto& [subnet, lease] : affected.before)
    result.emplace_back(PeerDown{lease});
  std::move(ups.begin(), ups.end(), std::back_inserter(result));
}

TimePoint KnownPeers::next_wakeup() const {
  return std::min(grace_end_, list_wanted_ ? kNever : recheck_at_);
}

std::vector<PeerChange> KnownPeers::tick(TimePoint now) {
  Changes result;
  if (now >= recheck_at_) list_wanted_ = true;
  if (now < grace_end_) return result;
  // The machine slept, or this process got no processor time: changes of the store that came
  // meanwhile must be processed first.
  if (now - grace_end_ > kGracePeriod) {
    grace_end_ = now + kGracePeriod;
    return result;
  }
  suspect_after_mass_loss(now);
  Affected affected;
  for (const SubnetKey& subnet : missing_.take_over_grace(now)) {
    const MissingPeers::Peer& missing = missing_.all().at(subnet);
    if (successor_waits_for_mac(missing)) {
      missing_.extend_grace(subnet, now + kGracePeriod);
    } else if (!missing.is_suspected || is_wanted(subnet)) {
      let_go(subnet, affected);
    }
  }
  grace_end_ = missing_.next_grace_end();
  come_up(std::move(affected), result);
  end_recheck_if_none_suspected();
  return result;
}

// True if another lease waits for the subnet of this missing peer. A lease that waits for its MAC
// waits for the recheck: if the list was incomplete, the missing peer is alive and owns the MAC.
bool KnownPeers::is_wanted(const SubnetKey& subnet) const {
  return !table_.overlapping(subnet).empty();
}

void KnownPeers::classify_loss(TimePoint now, std::size_t peers_before, const Lost& lost) {
  const auto still_lost = std::count_if(lost.begin(), lost.end(), [&](const SubnetKey& subnet) {
    return missing_.all().contains(subnet);
  });
  end_recheck_if_none_suspected();
  if (still_lost > 0) {
    if (now - losses_began_ > kAtOnce || lost_since_ == 0) {
      losses_began_ = now;
      peers_then_ = peers_before;
      lost_since_ = 0;
    }
    lost_since_ += static_cast<std::size_t>(still_lost);
    suspect_after_mass_loss(now);
  }
}

bool KnownPeers::is_mass_loss(TimePoint now) const {
  const bool many =
      lost_since_ > max_removals_without_recheck(peers_then_) && now - losses_began_ <= kAtOnce;
  const bool everybody = peers_then_ > 1 && peers() == 0;
  const bool we_too = own_lost_ && now - *own_lost_ <= kAtOnce;
  return many || everybody || we_too || !config_there_;
}

// After a mass loss every further loss is suspected too, until the recheck of the mass loss. It
// does not last until no peer is suspected, because peers that come and go would make it last for
// ever.
void KnownPeers::suspect_after_mass_loss(TimePoint now) {
  if (is_mass_loss(now)) mass_loss_since_ = losses_began_;
  if (!mass_loss_since_) return;
  missing_.suspect_all();
  if (recheck_at_ == kNever) schedule_recheck(now);
}

// The table is that of a list taken now. Suspected peers that were lost long enough ago and are not
// in the list have left.
void KnownPeers::confirm(TimePoint now, Changes& result) {
  if (now < recheck_at_) return;
  std::vector<SubnetKey> left;
  for (const auto& [subnet, missing] : missing_.all()) {
    const bool long_ago = now - missing.since >= kRecheckAfter;
    if (config_there_ && missing.is_suspected && long_ago && !is_wanted(subnet))
      left.push_back(subnet);
  }
  Affected affected;
  for (const SubnetKey& subnet : left)
    let_go(subnet, affected);
  come_up(std::move(affected), result);
  if (config_there_ && mass_loss_since_ && now - *mass_loss_since_ >= kRecheckAfter)
    mass_loss_since_.reset();
  schedule_recheck(now);  // the other suspected peers still need one
  end_recheck_if_none_suspected();
}

void KnownPeers::schedule_recheck(TimePoint now) {
  const Duration wait = kRecheckAfter;
  const auto more = static_cast<std::uint64_t>(wait.count());
  recheck_at_ = now + wait + Duration(static_cast<Duration::rep>(random_(more)));
}

void KnownPeers::end_recheck_if_none_suspected() {
  if (suspected() > 0) return;
  recheck_at_ = kNever;
  list_wanted_ = false;
  mass_loss_since_.reset();
}

}  // namespace flannel
