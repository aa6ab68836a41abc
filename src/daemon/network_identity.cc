// SPDX-License-Identifier: Apache-2.0
// The part of Network that ensures that two hosts do not have the same subnet, node id or VTEP MAC.
// The host with the older lease keeps them. The other takes a new node id and MAC, so a copy of a
// host does not harm the original.
#include <algorithm>

#include "base/log.h"
#include "daemon/network.h"

namespace flannel {
namespace {

// The shortest time between two changes, in case a record always takes the MAC of ours, and between
// two lists.
constexpr auto kRenamePause = std::chrono::seconds(10);

// Both are of one table, that is, of one feed.
bool is_older(const ListedLease& one, const ListedLease& other) {
  return one.age() < other.age();
}

}  // namespace

HostIdentity Network::identity() const {
  return {public_ips_of(underlay()), options_.node, previous_};
}

// Called before this host has a lease. Another host with a lease under our node id was first,
// unless there is an older lease of ours with that id. A reservation for us names no node.
void Network::leave_name_to_older_host() {
  const HostIdentity us = identity();
  const ListedLease* own = nullptr;
  const ListedLease* other = nullptr;
  for (const auto& [subnet, listed] : table().leases()) {
    const bool ours = us.ownership(listed.lease) == Ownership::node;
    if (!ours && !us.is_copy(listed.lease->attributes)) continue;
    const ListedLease*& first = ours ? own : other;
    if (first == nullptr || is_older(listed, *first)) first = &listed;
  }
  if (other == nullptr || (own != nullptr && is_older(*own, *other))) return;
  take_another_name(other->lease, "node id");
}

// Finds an older lease with our node id or VTEP MAC while this host has a lease: of a copy that
// started at the same moment or took our subnet after our lease had expired, or a record that was
// forged or restored.
void Network::leave_name_while_running() {
  if (!lease_ || !keeper().lease()) return;
  const LeaseTable& leases = table();
  const SubnetKey own = keeper().lease()->subnet;
  const ListedLease* record = leases.find(own);
  if (record != nullptr && !identity().owns(record->lease)) record = nullptr;
  // The watch has not reported our last write yet.
  if (record != nullptr && record->lease->attributes.node != options_.node) return;
  const ListedLease* other = nullptr;
  std::string_view shared = "node id";
  if (const auto conflict = leases.vtep_conflict(own); conflict && record != nullptr) {
    other = leases.find(conflict->subnet);
    shared = "VTEP MAC";
  }
  for (const auto& [subnet, copy] : feed_.copies()) {
    const ListedLease* found = leases.find(subnet);
    if (found == nullptr) continue;
    if (record == nullptr || is_older(*found, *record)) other = found;
  }
  if (other == nullptr) return;
  if (parts_.loop.now() < earliest_rename()) return leave_name_soon();
  const Shared<Lease> theirs = other->lease;
  take_another_name(theirs, shared);
  lease_->rename(options_.node);
}

// Another host's lease has a subnet of ours, and our record does not stand beside it. All hosts use
// the older lease. A record that nobody could read may be the older one once its host has written
// it again, and ours the younger one by an exchange for one with other families.
bool Network::is_outranked() const {
  const SubnetKey own = keeper().lease()->subnet;
  if (table().find(own) != nullptr) return false;
  return std::ranges::any_of(table().overlapping(own), [this](const SubnetKey& other) {
    return !identity().owns(table().find(other)->lease);
  });
}

void Network::compare_with_older_leases() {
  leave_name_while_running();
  if (!lease_ || keeper().phase() != LeasePhase::active || !is_outranked()) return;
  // A watch that lags behind shows the same again after the list.
  const TimePoint now = parts_.loop.now();
  const TimePoint earliest = outranked_at_ ? *outranked_at_ + kRenamePause : now;
  if (now < earliest) {
    if (!rename_.armed()) rename_.arm(earliest);
    return;
  }
  outranked_at_ = now;
  lease_->on_older_lease();
}

TimePoint Network::earliest_rename() const {
  return renamed_at_ ? *renamed_at_ + kRenamePause : TimePoint{};
}

// Compares the names again as soon as another one is allowed. The call is also needed when our
// lease becomes active: the store may report the record, and with it the conflict, before it
// answers the write.
void Network::leave_name_soon() {
  if (!rename_.armed()) rename_.arm(std::max(parts_.loop.now(), earliest_rename()));
}

void Network::take_another_name(const Lease& other, std::string_view shared) {
  renamed_at_ = parts_.loop.now();
  const auto fresh = parts_.host.replace_node_id();
  if (!fresh) {
    log::error("another host has our node id, and no new one can be made",
               {{"why", fresh.error().text}});
    return;
  }
  log::error("an older lease of another host has our node id or VTEP MAC; this host takes new ones",
             {{"shared", shared},
              {"its_public_ip", to_string(other.attributes.public_ips())},
              {"its_subnet", to_string(other.subnet)},
              {"old_node_id", to_string(options_.node.id)},
              {"new_node_id", to_string(*fresh)},
              {"cure", "none needed; a template of machines should have no node-id file"}});
  options_.node.id = *fresh;
  planes_.set_node_id(*fresh);
  feed_.set_host(identity());
  parts_.on_state();
}

}  // namespace flannel
