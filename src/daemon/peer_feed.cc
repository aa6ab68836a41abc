// SPDX-License-Identifier: Apache-2.0
#include "daemon/peer_feed.h"

#include <fmt/format.h>

#include <utility>

#include "base/problem_kinds.h"

namespace flannel {
namespace {

const ProblemKind& kind_of(QuarantineKind kind) {
  switch (kind) {
    case QuarantineKind::our_ip_by_other_node:
      return kPublicIpShared;
    case QuarantineKind::same_mac:
      return kVtepMacShared;
    default:
      return kRecordUnusable;
  }
}

}  // namespace

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
  find_copies(changes);
  const std::uint64_t version = peers_.table().quarantine().version();
  const bool is_other_quarantine = std::exchange(quarantine_version_, version) != version;
  const std::size_t suspected = peers_.suspected();
  if (std::exchange(suspected_, suspected) != suspected || is_other_quarantine) parts_.on_state();
  arm_timer();
}

void PeerFeed::find_copies(const std::vector<PeerChange>& changes) {
  const auto before = copies_.size();
  for (const PeerChange& change : changes) {
    const auto* up = std::get_if<PeerUp>(&change);
    const Lease& lease = up != nullptr ? *up->lease : *std::get<PeerDown>(change).lease;
    if (up != nullptr && parts_.host.is_copy(lease.attributes)) {
      copies_.insert_or_assign(lease.subnet, lease);
    } else {
      copies_.erase(lease.subnet);
    }
  }
  if (before != copies_.size()) parts_.on_state();
}

void PeerFeed::append_problems(std::vector<Problem>& all) const {
  std::size_t named = 0;
  for (const auto& [subnet, copy] : copies_) {
    if (++named > Quarantine::kMostNamed) break;
    all.push_back(make_problem(
        kNodeIdCopied, to_string(subnet),
        fmt::format("{} at {} has our node id: one of the two is a copy of the other, and has to "
                    "take another id",
                    to_string(copy.attributes.public_ips()), to_string(subnet))));
  }
  if (copies_.size() > Quarantine::kMostNamed)
    all.push_back(other_problems(kNodeIdCopied, copies_.size() - Quarantine::kMostNamed));
  for (const auto& [key, record] : peers_.table().quarantined())
    all.push_back(make_problem(kind_of(record.kind), key, key + ": " + record.reason));
  if (const std::size_t unnamed = peers_.table().quarantine().unnamed(); unnamed > 0) {
    all.push_back(other_problems(kRecordUnusable, unnamed));
  }
  if (suspected_ > 0) {
    all.push_back(make_problem(
        kPeersSuspected, "",
        fmt::format("{} went from the store at once and stay until a second list", suspected_)));
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
