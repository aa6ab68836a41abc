// SPDX-License-Identifier: Apache-2.0
#include "daemon/peer_feed.h"

#include <utility>

#include "base/log.h"

namespace flannel {

PeerFeed::PeerFeed(Parts parts, KnownPeers peers)
    : parts_(std::move(parts)), peers_(std::move(peers)) {}

void PeerFeed::set_host(const HostIdentity& host) {
  parts_.host = host;
  peers_.set_host(host);
  copies_.clear();
}

std::vector<PeerChange> PeerFeed::on_snapshot(const Snapshot& snapshot) {
  auto changes = peers_.on_snapshot(parts_.loop.now(), snapshot);
  process_changes(changes);
  return changes;
}

std::vector<PeerChange> PeerFeed::on_changes(const std::vector<Change>& changes) {
  auto peers = peers_.on_changes(parts_.loop.now(), changes);
  process_changes(peers);
  return peers;
}

void PeerFeed::process_changes(const std::vector<PeerChange>& changes) {
  log_quarantined();
  find_copies(changes);
  log_suspected();
  arm_timer();
}

// Logs each unusable record once, and again when it changes. If there are very many, logs the
// first.
void PeerFeed::log_quarantined() {
  for (const QuarantinedRecord& record : peers_.take_quarantine_changes()) {
    log::warning("lease record quarantined, the others are not affected",
                 {{"key", record.key}, {"why", record.reason}});
  }
  const Quarantine& quarantine = peers_.table().quarantine();
  if (std::exchange(quarantine_logged_, quarantine.version()) == quarantine.version()) return;
  if (quarantine.unnamed() > 2 * unnamed_logged_) {
    unnamed_logged_ = quarantine.unnamed();
    log::warning("more lease records quarantined than are named",
                 {{"named", quarantine.named().size()},
                  {"others", unnamed_logged_},
                  {"all_of_them", "flannelctl leases --bad"}});
  } else if (quarantine.unnamed() == 0) {
    unnamed_logged_ = 0;
  }
  parts_.on_state();
}

// Two hosts with the same node id also have the same VTEP MAC, so this is logged at once.
void PeerFeed::find_copies(const std::vector<PeerChange>& changes) {
  const bool before = !copies_.empty();
  for (const PeerChange& change : changes) {
    const auto* up = std::get_if<PeerUp>(&change);
    const Lease& lease = up != nullptr ? *up->lease : *std::get<PeerDown>(change).lease;
    const bool copy = up != nullptr && parts_.host.is_copy(lease.attributes);
    if (copy && copies_.insert_or_assign(lease.subnet, lease).second) {
      log::error(
          "another host has our node id; who has the younger lease is to take another",
          {{"its_public_ip", to_string(lease.attributes.public_ips())},
           {"its_subnet", to_string(lease.subnet)},
           {"node_id", to_string(lease.attributes.node->id)},
           {"cure", "if it does not by itself: stop it, delete its node-id file, start it"}});
    }
    if (!copy) copies_.erase(lease.subnet);
  }
  if (before != !copies_.empty()) parts_.on_state();
}

void PeerFeed::log_suspected() {
  const std::size_t suspected = peers_.suspected();
  const std::size_t listed = peers_.table().leases().size();
  if (std::exchange(suspected_, suspected) != suspected) parts_.on_state();
  // Peers vanish and return one by one, so only doubling the number is logged.
  if (suspected > 2 * suspected_logged_) {
    suspected_logged_ = suspected;
    log::warning(
        "many peers went from the store at once; they stay until a second list confirms it",
        {{"peers", suspected}, {"listed", listed}});
  } else if (suspected == 0 && std::exchange(suspected_logged_, 0) > 0) {
    log::info("no peer is suspected any more", {{"listed", listed}});
  }
}

void PeerFeed::arm_timer() {
  timer_.arm(parts_.follower.is_up_to_date() ? peers_.next_wakeup() : kNever);
}

void PeerFeed::tick() {
  if (!parts_.follower.is_up_to_date()) return;  // it is armed anew after the list that is due
  const auto changes = peers_.tick(parts_.loop.now());
  process_changes(changes);
  parts_.on_peers(changes);
  if (peers_.wants_list()) parts_.follower.list_again();
}

}  // namespace flannel
