// SPDX-License-Identifier: Apache-2.0
#include "core/known_peers.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/lease_ranges.h"

namespace flannel {
namespace {

bool same_host(const LeaseAttributes& one, const LeaseAttributes& other) {
  return HostIdentity(one.public_ip, one.node).wrote(other);
}

// The host of `before` itself says so: it has another address or MAC. What names no node, where
// there was one, was written by hand.
bool is_its_own_word(const LeaseAttributes& before, const LeaseAttributes& now) {
  return same_host(before, now) && (now.node || !before.node);
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
  confirm(now, result);  // not before: who has waited for them and is gone as well was no peer
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

std::map<SubnetKey, DecodedRecord> KnownPeers::leases() const {
  auto all = table_.leases();
  for (const auto& [subnet, missing] : missing_.all()) {
    const auto [first, last] = entries_overlapping(all, subnet.v4);
    all.erase(first, last);
    all.emplace(subnet, DecodedRecord{{}, missing.lease});
  }
  return all;
}

void KnownPeers::take_in(TimePoint now, Changes changes, Changes& result, Lost& lost) {
  // A lease that has waited for a missing peer was no peer itself, whichever change frees its
  // place.
  for (PeerChange& change : changes) {
    auto* up = std::get_if<PeerUp>(&change);
    if (up != nullptr && any_overlaps(missing_.all(), up->lease.subnet.v4)) up->before.reset();
  }
  for (const PeerChange& change : changes) {
    if (const auto* up = std::get_if<PeerUp>(&change)) {
      come_up(now, *up, result);
    } else {
      go_down(now, std::get<PeerDown>(change).lease, result, lost);
    }
  }
}

void KnownPeers::go_down(TimePoint now, const Lease& lease, Changes& result, Lost& lost) {
  if (host_.owns(lease)) {
    own_there_ = false;
    own_lost_ = now;
    result.emplace_back(PeerDown{lease});
    return;
  }
  if (any_overlaps(missing_.all(), lease.subnet.v4)) return;  // it has waited in vain
  add_missing(now, lease);
  lost.push_back(lease.subnet);
}

void KnownPeers::come_up(TimePoint now, const PeerUp& up, Changes& result) {
  const Lease& lease = up.lease;
  const bool own = host_.owns(lease);
  const bool was_own = up.before && host_.owns({lease.subnet, *up.before});
  own_there_ = own || (own_there_ && !was_own);

  for (const SubnetKey& subnet : missing_.resembling(lease.attributes)) {
    const LeaseAttributes& missing = missing_.all().at(subnet).lease.attributes;
    const bool elsewhere = !subnet.v4.overlaps(lease.subnet.v4);
    if (elsewhere && is_its_own_word(missing, lease.attributes)) let_go(subnet, result);
  }
  std::vector<SubnetKey> in_the_way;
  bool all_make_way = true;
  const auto [first, last] = entries_overlapping(missing_.all(), lease.subnet.v4);
  for (auto entry = first; entry != last; ++entry) {
    const auto& [subnet, missing] = *entry;
    in_the_way.push_back(subnet);
    if (own || missing.lease == lease) continue;
    if (is_its_own_word(missing.lease.attributes, lease.attributes)) continue;
    all_make_way = false;
    if (now >= missing.grace_end) extend_grace(now, subnet);
  }
  if (!all_make_way) {
    for (const SubnetKey& subnet : in_the_way)
      missing_.report_again(subnet);  // who would make way alone does it with the others
    return;
  }
  for (const SubnetKey& subnet : in_the_way)
    let_go(subnet, result);
  if (!in_the_way.empty()) return;
  if (own || was_own || !up.before || is_its_own_word(*up.before, lease.attributes)) {
    result.emplace_back(PeerUp{lease, {}, up.created});
  } else {
    add_missing(now, {lease.subnet, *up.before});
  }
}

void KnownPeers::add_missing(TimePoint now, Lease lease) {
  const TimePoint end = now + kGracePeriod;
  missing_.add(std::move(lease), now, end);
  grace_end_ = std::min(grace_end_, end);
}

void KnownPeers::extend_grace(TimePoint now, const SubnetKey& subnet) {
  const TimePoint end = now + kGracePeriod;
  missing_.extend_grace(subnet, end);
  grace_end_ = std::min(grace_end_, end);
}

// The leases that have waited for the peer come up.
void KnownPeers::let_go(const SubnetKey& subnet, Changes& result) {
  Lease lease = missing_.let_go(subnet);
  if (!table_.leases().contains(subnet)) result.emplace_back(PeerDown{std::move(lease)});
  const auto [first, last] = entries_overlapping(table_.leases(), subnet.v4);
  for (auto waiting = first; waiting != last; ++waiting) {
    if (any_overlaps(missing_.all(), waiting->first.v4)) continue;
    result.emplace_back(PeerUp{waiting->second.lease, {}, waiting->second.record.created});
  }
}

TimePoint KnownPeers::next_wakeup() const {
  return std::min(grace_end_, list_wanted_ ? kNever : recheck_at_);
}

std::vector<PeerChange> KnownPeers::tick(TimePoint now) {
  Changes result;
  if (now >= recheck_at_) list_wanted_ = true;
  if (now < grace_end_) return result;
  // The machine slept, or this process had no time: what the store has said is still to be heard.
  if (now - grace_end_ > kGracePeriod) {
    grace_end_ = now + kGracePeriod;
    return result;
  }
  suspect_after_mass_loss(now);
  std::vector<SubnetKey> over;
  for (const SubnetKey& subnet : missing_.take_over_grace(now)) {
    if (missing_.state_of(subnet) == PeerState::missing || is_wanted(subnet))
      over.push_back(subnet);
  }
  grace_end_ = missing_.next_grace_end();
  for (const SubnetKey& subnet : over)
    let_go(subnet, result);
  end_recheck_if_none_suspected();
  return result;
}

// Another lease waits for it.
bool KnownPeers::is_wanted(const SubnetKey& subnet) const {
  return any_overlaps(table_.leases(), subnet.v4);
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

// After a mass loss every further loss is suspected as well, until a recheck was made of the mass
// loss; not until no peer is suspected: peers that come and go would then keep that up for ever.
void KnownPeers::suspect_after_mass_loss(TimePoint now) {
  if (is_mass_loss(now)) mass_loss_since_ = losses_began_;
  if (!mass_loss_since_) return;
  missing_.suspect_all();
  if (recheck_at_ == kNever) schedule_recheck(now);
}

// The table is that of a list taken now: those who were lost long enough ago and are not in it have
// left.
void KnownPeers::confirm(TimePoint now, Changes& result) {
  if (now < recheck_at_) return;
  std::vector<SubnetKey> left;
  for (const auto& [subnet, missing] : missing_.all()) {
    const bool long_ago = now - missing.since >= kRecheckAfter;
    if (config_there_ && missing.is_suspected() && long_ago && !is_wanted(subnet))
      left.push_back(subnet);
  }
  for (const SubnetKey& subnet : left)
    let_go(subnet, result);
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
