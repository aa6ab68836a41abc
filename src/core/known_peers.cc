// SPDX-License-Identifier: Apache-2.0
#include "core/known_peers.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace flannel {

struct KnownPeers::News {
  std::size_t peers = 0;         // known before
  std::vector<Lease> gone;       // peers of which nothing is left
  std::vector<Lease> displaced;  // those that somebody or something else takes the place of
  std::vector<Lease> up;
};

namespace {

// `up` says that the host of `gone` lives elsewhere, or that its subnet is somebody else's now.
bool settles(const Lease& up, const Lease& gone) {
  return up.subnet.v4.overlaps(gone.subnet.v4) ||
         up.attributes.public_ip == gone.attributes.public_ip;
}

template <typename Kind>
bool has(const std::vector<Change>& changes) {
  return std::any_of(changes.begin(), changes.end(),
                     [](const Change& change) { return std::holds_alternative<Kind>(change); });
}

}  // namespace

KnownPeers::KnownPeers(LeaseTable table, HostIdentity host, Random random)
    : table_(std::move(table)), host_(host), random_(std::move(random)) {}

std::vector<PeerChange> KnownPeers::on_snapshot(TimePoint now, const Snapshot& snapshot) {
  config_there_ = snapshot.config.has_value();
  const std::size_t before = table_.leases().size();
  News news = sorted(now, before, table_.apply_snapshot(snapshot));
  std::vector<PeerChange> all = confirm(now);
  auto some = judge(now, std::move(news));
  std::move(some.begin(), some.end(), std::back_inserter(all));
  return all;
}

// The table is that of a list taken now: those who were lost long enough ago and are not in it have
// left. What it has got again is for judge(), being among the ups.
std::vector<PeerChange> KnownPeers::confirm(TimePoint now) {
  std::vector<PeerChange> left;
  if (now < second_look_) return left;
  for (auto it = doubted_.begin(); config_there_ && it != doubted_.end();) {
    const bool old = now - it->second.since >= kSecondLook;
    if (!old || table_.leases().contains(it->first)) {
      ++it;
      continue;
    }
    left.emplace_back(PeerDown{std::move(it->second.lease)});
    it = doubted_.erase(it);
  }
  look_later(now);  // for the others; judge() takes that back if there are none
  return left;
}

std::vector<PeerChange> KnownPeers::on_changes(TimePoint now, const std::vector<Change>& changes) {
  if (has<ConfigGone>(changes)) config_there_ = false;
  if (has<ConfigPut>(changes)) config_there_ = true;
  const std::size_t before = table_.leases().size();
  std::vector<PeerChange> all;
  for (const Change& change : changes) {
    auto some = table_.apply(change);
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  return judge(now, sorted(now, before, std::move(all)));
}

std::map<SubnetKey, DecodedRecord> KnownPeers::leases() const {
  auto all = table_.leases();
  for (const auto& [subnet, doubted] : doubted_)
    all.try_emplace(subnet, DecodedRecord{{}, doubted.lease});
  return all;
}

// Of several changes of one subnet the last counts.
KnownPeers::News KnownPeers::sorted(TimePoint now, std::size_t before,
                                    std::vector<PeerChange> changes) {
  std::map<SubnetKey, PeerChange> last;
  for (PeerChange& change : changes) {
    const auto* up = std::get_if<PeerUp>(&change);
    const SubnetKey subnet =
        up != nullptr ? up->lease.subnet : std::get<PeerDown>(change).lease.subnet;
    last.insert_or_assign(subnet, std::move(change));
  }
  News news;
  news.peers = before - (own_there_ ? 1 : 0);
  for (auto& [subnet, change] : last) {
    auto* up = std::get_if<PeerUp>(&change);
    if (up == nullptr) continue;
    if (host_.wrote(up->lease.attributes)) own_there_ = true;
    news.up.push_back(std::move(up->lease));
  }
  for (auto& [subnet, change] : last) {
    auto* down = std::get_if<PeerDown>(&change);
    if (down == nullptr) continue;
    const Lease& lease = down->lease;
    const bool own = host_.wrote(lease.attributes);
    const bool settled = std::any_of(news.up.begin(), news.up.end(),
                                     [&](const Lease& up) { return settles(up, lease); });
    if (own && !settled) {
      own_there_ = false;
      own_lost_ = now;
    }
    (own || settled ? news.displaced : news.gone).push_back(std::move(down->lease));
  }
  return news;
}

std::vector<PeerChange> KnownPeers::judge(TimePoint now, News news) {
  std::vector<PeerChange> result;
  for (Lease& lease : news.displaced)
    result.emplace_back(PeerDown{std::move(lease)});
  if (!doubted_.empty()) {
    for (const Lease& lease : news.up)
      settle_by(lease, result);
  }
  if (!news.gone.empty() && is_doubtful(now, news)) {
    doubt(now, std::move(news.gone));
  } else {
    for (Lease& lease : news.gone)
      result.emplace_back(PeerDown{std::move(lease)});
  }
  if (doubted_.empty()) second_look_ = kNever;
  for (Lease& lease : news.up)
    result.emplace_back(PeerUp{std::move(lease)});
  return result;
}

bool KnownPeers::is_doubtful(TimePoint now, const News& news) {
  if (now - losses_began_ > kAtOnce || lost_since_ == 0) {
    losses_began_ = now;
    peers_then_ = news.peers;
    lost_since_ = 0;
  }
  lost_since_ += news.gone.size();
  const bool everybody = peers_then_ > 1 && table_.leases().size() == (own_there_ ? 1 : 0);
  const bool we_too = own_lost_ && now - *own_lost_ <= kAtOnce;
  return lost_since_ > unquestioned_removals(peers_then_) || everybody || we_too ||
         !config_there_ || !doubted_.empty();
}

void KnownPeers::doubt(TimePoint now, std::vector<Lease> gone) {
  for (Lease& lease : gone) {
    const SubnetKey subnet = lease.subnet;
    doubted_.insert_or_assign(subnet, Doubted{std::move(lease), now});
  }
  if (second_look_ == kNever) look_later(now);
}

void KnownPeers::look_later(TimePoint now) {
  const Duration wait = kSecondLook;
  const auto more = static_cast<std::uint64_t>(wait.count());
  second_look_ = now + wait + Duration(static_cast<Duration::rep>(random_(more)));
}

// The subnet itself is back, or it cannot come back as it was.
void KnownPeers::settle_by(const Lease& up, std::vector<PeerChange>& result) {
  for (auto it = doubted_.begin(); it != doubted_.end();) {
    if (!settles(up, it->second.lease)) {
      ++it;
      continue;
    }
    if (it->first != up.subnet) result.emplace_back(PeerDown{std::move(it->second.lease)});
    it = doubted_.erase(it);
  }
}

}  // namespace flannel
