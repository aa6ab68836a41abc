// SPDX-License-Identifier: Apache-2.0
// The part of Agent that goes on with what an earlier run knew of the cluster, and that keeps what
// this run knows for the next one. The rule by which a host may go on without its store is that of
// end_of_kept_lease(): docs/kept-state.md has it for people.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "core/move_notes.h"
#include "core/record_limits.h"
#include "daemon/agent.h"
#include "daemon/whole_config.h"

namespace flannel {
namespace {

// "as of 2026-12-01 10:00:00 UTC; the lease ends at 2026-12-02 08:00:00 UTC"
std::string in_words(const HostClock& saved, const HostClock& now, TimePoint ends) {
  const std::string since = "as of " + in_utc(saved.wall);
  if (ends == kNever) return since + "; the lease is a reservation and does not end";
  const auto left = std::chrono::floor<std::chrono::seconds>(ends - now.since_boot);
  return fmt::format("{}; the lease ends at {}, and packets go on after it", since,
                     in_utc(now.wall + left));
}

// Only the stores know which of them decides.
Result<void> check_moves(const std::string& config) {
  const MoveNotes notes = TRY(read_move_notes(config));
  if (!notes.to && (!notes.from || notes.from->retired)) return {};
  return fail(ErrorKind::conflict, "the cluster was moving to another store");
}

}  // namespace

void Agent::start() {
  auto restored = has_drained_ ? std::nullopt : parts_.host.kept_state();
  if (restored && restored->state.node != options_.node.id) {
    log::info("what this host knew of the network is of another node id, and is not used",
              {{"node", to_string(options_.node.id)}, {"of", to_string(restored->state.node)}});
    restored.reset();
  }
  if (!restored) return follower_.start();
  kept_ = std::move(restored->state);
  store_.expect_history(kept_->history_name);
  if (restored->snapshot.records.size() <= options_.few_leases) kept_->history.clear();
  follower_.start_from(std::move(restored->snapshot), kept_->history);
}

bool Agent::on_kept(const Snapshot& snapshot, bool is_proven) {
  if (network_ || has_drained_ || !kept_ || !has_kept_lease(snapshot)) return false;
  if (is_proven) {
    // Records outside of the network that was may be inside now.
    if (snapshot.config != kept_->config) return false;
    store_.use_expected_history();
    on_snapshot(snapshot);
    return true;
  }
  if (!options_.offline_start) return false;
  const auto begun = begin_offline(snapshot);
  std::string why = begun ? "" : begun.error().text;
  if (std::exchange(unused_why_, why) != why) on_state();
  return begun.has_value();
}

// True if the store has our record as it was, as far as this host knows. Otherwise what was kept is
// of no use, and the host needs a list, since it may have to choose another subnet.
bool Agent::has_kept_lease(const Snapshot& snapshot) {
  const Record& own = kept_->lease.record;
  const auto there = std::ranges::find(snapshot.records, own.key, &Record::key);
  if (there != snapshot.records.end() && *there == own) return true;
  saver_.forget();
  kept_.reset();
  unused_why_ = "its lease has changed since";
  on_state();
  return false;
}

Result<void> Agent::begin_offline(const Snapshot& snapshot) {
  const HostClock now = parts_.host.clock();
  KeptLease lease = kept_->lease;
  lease.ends = TRY(end_of_kept_lease(*kept_, now));
  TRY(check_moves(kept_->config.text));
  Lease own;
  own.subnet = TRY(decode_subnet_key(lease.record.key));
  own.attributes = TRY(decode_lease(lease.record));
  TRY(open_offline(own));
  kept_since_ = in_words(kept_->saved, now, lease.ends);
  log::warning("the store does not answer; this host goes on with what it knew before",
               {{"store", store_.describe()},
                {"peers", snapshot.records.size() - 1},
                {"known", kept_since_}});
  (void)config_.first(kept_->config, store_.config_key());
  kept_.reset();
  network_ = std::move(opening_);
  move_.on_config(snapshot.config);
  move_.begin();
  network_->resume(snapshot, own, lease);
  return {};
}

// Another address may be that of a copy of this host, which has its lease as well.
Result<void> Agent::open_offline(const Lease& own) {
  const ParsedConfig parsed = TRY(parse_whole_config(kept_->config.text));
  const auto& node = own.attributes.node;
  if (!node || node->id != options_.node.id) {
    return fail(ErrorKind::conflict, "another node, or nobody known, has written its lease");
  }
  const Underlay underlay =
      TRY(Network::underlay_for(parsed.config, options_.underlay, parts_.host));
  const PublicIps ours = public_ips_of(underlay);
  if (ours != own.attributes.public_ips()) {
    return fail(ErrorKind::conflict,
                fmt::format("this host has the address {} now, and its lease is for {}",
                            to_string(ours), to_string(own.attributes.public_ips())));
  }
  if (TRY(open(parsed))) return {};
  return fail(ErrorKind::unavailable, "PreStartupCommand of its backend has not succeeded yet");
}

void Agent::on_store_heard() {
  unused_why_.clear();
  if (std::exchange(kept_since_, {}).empty()) return;
  log::info("the store answers; what this host knew is compared with what it says",
            {{"store", store_.describe()}});
}

// What was kept stays until it is known that it is of no use.
void Agent::keep_state() {
  if (network_ && network_->has_had_lease()) saver_.look();
}

StateSaver::Parts Agent::saver_parts() {
  return {.loop = parts_.loop,
          .host = parts_.host,
          .lease = [this] { return lease_to_keep(); },
          .state = [this] { return state_to_keep(); },
          .leases = [this] { return leases_to_keep(); }};
}

// While the cluster moves, two stores have this lease, and the next run is to ask them.
std::optional<KeptLease> Agent::lease_to_keep() const {
  const bool moves = move_.address() || move_.problem() || move_.follows();
  if (!network_ || moves) return std::nullopt;
  const LeaseKeeper& keeper = network_->keeper();
  const Record* record = keeper.record();
  if (record == nullptr) return std::nullopt;
  return KeptLease{*record, keeper.expires(), keeper.life()};
}

// With the peers that one list lacked, which are peers until a second one lacks them as well. Their
// revisions are not known.
std::vector<ListedLease> Agent::leases_to_keep() const {
  std::vector<ListedLease> all = network_->table().all();
  if (network_->peers().suspected() == 0) return all;
  for (const auto& [subnet, peer] : network_->peers().missing()) {
    if (network_->table().find(subnet) != nullptr) continue;
    all.push_back({.lease = peer.lease, .created = 1, .revision = 1, .expires = true});
  }
  return all;
}

// True if the table has all that the next run could use. It does not have a record of another node
// with our address, which that run may no longer have, nor the peers that a list lacked of which a
// second one is to show whether they have left.
bool Agent::knows_all_leases() const {
  return network_->peers().suspected() == 0 &&
         !network_->table().quarantine().has(QuarantineKind::our_ip_by_other_node);
}

// Without the history the next run lists. It has to if the configuration in the store is not the
// one in force, or if a list is not proven to be whole.
KeptState Agent::state_to_keep() const {
  KeptState state;
  state.history_name = store_.history_name();
  state.node = network_->identity().node->id;
  state.config = *config_.in_force();
  const bool is_whole = !config_.problem() && knows_all_leases() && !follower_.doubts_list();
  if (is_whole) state.history = follower_.known().changes();
  return state;
}

}  // namespace flannel
