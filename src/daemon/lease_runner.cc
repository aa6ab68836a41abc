// SPDX-License-Identifier: Apache-2.0
#include "daemon/lease_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/problem_kinds.h"

namespace flannel {
LeaseRunner::LeaseRunner(LeaseKeeper keeper, Registry& registry, StoreFollower& follower,
                         Loop& loop, Listener listener)
    : keeper_(std::move(keeper)),
      registry_(registry),
      follower_(follower),
      loop_(loop),
      listener_(std::move(listener)) {}

void LeaseRunner::start(const Snapshot& fresh) {
  fresh_snapshot_ = &fresh;
  perform(keeper_.start(loop_.now()));
  fresh_snapshot_ = nullptr;
}

void LeaseRunner::resume(const Lease& lease, const KeptLease& kept) {
  perform(keeper_.resume(loop_.now(), lease, kept.record, kept.ends, kept.life));
}

void LeaseRunner::drain(const Snapshot* fresh) {
  problem_.reset();
  drained_.reset();
  fresh_snapshot_ = fresh;
  perform(keeper_.drain(loop_.now()));
  fresh_snapshot_ = nullptr;
  listener_.on_state();
}

void LeaseRunner::undrain() {
  problem_.reset();
  perform(keeper_.undrain(loop_.now()));
  listener_.on_state();
}

void LeaseRunner::on_change(const Change& change) {
  perform(keeper_.on_change(loop_.now(), change));
}

void LeaseRunner::on_snapshot(const Snapshot& snapshot) {
  if (std::exchange(awaits_list_, false)) {
    return perform(keeper_.on_snapshot(loop_.now(), snapshot));
  }
  if (keeper_.phase() == LeasePhase::drained) {
    fresh_snapshot_ = &snapshot;
    perform(keeper_.try_now(loop_.now()));
    fresh_snapshot_ = nullptr;
    return;
  }
  if (keeper_.lease()) {
    // A keeper that finds its lease gone in this snapshot may choose from it. For a retry it lists
    // again, because the failed write may have taken effect since.
    fresh_snapshot_ = &snapshot;
    const std::string key = encode_subnet_key(keeper_.lease()->subnet);
    const auto own = std::find_if(snapshot.records.begin(), snapshot.records.end(),
                                  [&](const Record& record) { return record.key == key; });
    if (own != snapshot.records.end()) {
      on_change(RecordPut{*own});
    } else {
      on_change(RecordGone{key, snapshot.revision});
    }
    fresh_snapshot_ = nullptr;
  }
  perform(keeper_.try_now(loop_.now()));
}

// Changes of our record come as changes. What failed while the store was away is tried again now.
void LeaseRunner::on_resumed() {
  if (keeper_.phase() != LeasePhase::drained) perform(keeper_.try_now(loop_.now()));
}

void LeaseRunner::on_older_lease() {
  perform(keeper_.on_older_lease());
}

void LeaseRunner::rename(const NodeTag& node) {
  perform(keeper_.reannounce(loop_.now(), node));
}

void LeaseRunner::reconfigure(const NetworkConfig& config) {
  perform(keeper_.reconfigure(loop_.now(), config));
}

void LeaseRunner::set_options(std::chrono::seconds renew_margin, bool renumber) {
  perform(keeper_.set_options(loop_.now(), renew_margin, renumber));
}

void LeaseRunner::perform(std::vector<KeeperAct> acts) {
  for (const KeeperAct& act : acts) {
    std::visit([this](const auto& one) { perform(one); }, act);
  }
  timer_.arm(keeper_.next_wakeup());
  note_reservation();
}

// An operator may turn a lease into a reservation and back while it is ours.
void LeaseRunner::note_reservation() {
  if (keeper_.phase() != LeasePhase::active) return;
  const bool reservation = keeper_.expires() == kNever;
  const auto before = std::exchange(reservation_, reservation);
  if (!before || *before == reservation) return;
  log::info(reservation ? "the lease is a reservation now" : "the reservation is a lease now",
            {{"subnet", to_string(keeper_.lease()->subnet)}, {"valid", validity()}});
  listener_.on_state();
}

void LeaseRunner::perform(const TakeSnapshot&) {
  if (const Snapshot* snapshot = std::exchange(fresh_snapshot_, nullptr)) {
    return perform(keeper_.on_snapshot(loop_.now(), *snapshot));
  }
  // After a long outage many hosts find their leases expired, and each would list twice. A host
  // that has lost its lease for another reason does not wait.
  if (keeper_.lease() && keeper_.expires() <= loop_.now() && follower_.list_after_pause()) {
    awaits_list_ = true;
    return;
  }
  registry_.snapshot([this](Result<Snapshot> snapshot) {
    perform(keeper_.on_snapshot(loop_.now(), std::move(snapshot)));
  });
}

void LeaseRunner::perform(const CreateRecord& act) {
  log::verbose(1, "creating the lease", {{"key", act.key}});
  created_ = true;
  registry_.create_if_absent(
      act.key, act.value, act.ttl,
      [this, sent = loop_.now()](Result<WriteResult> held) { on_written(sent, std::move(held)); });
}

void LeaseRunner::perform(const ReplaceRecord& act) {
  log::verbose(1, "writing the lease", {{"key", act.seen.key}});
  created_ = false;
  registry_.replace_if_unchanged(
      act.seen, act.value, act.ttl,
      [this, sent = loop_.now()](Result<WriteResult> held) { on_written(sent, std::move(held)); });
}

void LeaseRunner::on_written(TimePoint sent, Result<WriteResult> held) {
  if (held) renewal_failure_.clear();  // earlier failures concerned another lease
  perform(keeper_.on_written(loop_.now(), sent, std::move(held)));
}

void LeaseRunner::perform(const RenewRecord& act) {
  registry_.renew_if_unchanged(
      act.seen, act.ttl, [this, sent = loop_.now()](Result<WriteResult> held) {
        const bool renewed = held.has_value();
        renewal_failure_ = renewed ? std::string() : held.error().text;
        refused_ = follower_.connected();
        perform(keeper_.on_renewed(loop_.now(), sent, std::move(held)));
        listener_.on_state();
        const bool active = keeper_.phase() == LeasePhase::active;
        if (renewed && active && keeper_.expires() != kNever) {
          log::info("Lease renewed",
                    {{"subnet", to_string(keeper_.lease()->subnet)}, {"valid", validity()}});
        }
      });
}

// While the store is reachable, and until half of the life of the lease, a renewal may fail.
bool LeaseRunner::should_be_renewed() const {
  return keeper_.phase() == LeasePhase::renewing && refused_ && follower_.connected() &&
         time_left() <= keeper_.life() / 2;
}

void LeaseRunner::append_problems(std::vector<Problem>& all) const {
  if (problem_) all.push_back(*problem_);
  if (keeper_.phase() == LeasePhase::draining && !problem_) {
    all.push_back(make_problem(kDrainedNotYet, "", "it is not deleted yet"));
  }
  if (drained_ && drained_->reservation) {
    const std::string& key = *drained_->reservation;
    all.push_back(
        make_problem(kDrainedReservation, key,
                     "peers still send to this host, since " + key + " is a reservation"));
  }
  if (renewal_failure_.empty()) return;
  const std::string subnet = keeper_.lease() ? to_string(keeper_.lease()->subnet) : std::string();
  all.push_back(make_problem(kLeaseRenewalFails, subnet, renewal_failure_));
  if (!should_be_renewed()) return;
  all.push_back(make_problem(
      kLeaseNotRenewed, subnet,
      fmt::format("cannot be renewed, ends in {} s: {}", time_left().count(), renewal_failure_)));
}

void LeaseRunner::perform(const ReleaseRecord& act) {
  log::info("deleting our lease record", {{"key", act.seen.key}});
  registry_.release_if_unchanged(act.seen, [this](Result<void> released) {
    perform(keeper_.on_released(loop_.now(), std::move(released)));
  });
}

void LeaseRunner::perform(const ReportTakeOver& act) {
  log::warning(
      "taking over a lease that another node wrote under our address; if that node is alive, it "
      "gets the lease back",
      {{"subnet", to_string(act.theirs.subnet)},
       {"public_ip", to_string(act.theirs.attributes.public_ips())},
       {"node", to_string(*act.theirs.attributes.node)}});
}

void LeaseRunner::perform(const ReportDrained& act) {
  problem_.reset();
  const bool was_drained = std::exchange(drained_, act).has_value();
  if (!was_drained && !act.reservation) {
    log::info("this host is drained: it has no lease in the store",
              {{"store", registry_.describe()}});
  }
  listener_.on_state();
}

void LeaseRunner::perform(const AnnounceActive& act) {
  problem_.reset();
  drained_.reset();
  // Operators search for these messages of upstream.
  const std::string subnet = to_string(act.lease.subnet);
  const std::string ip = to_string(act.lease.attributes.public_ips());
  log::info(created_ ? fmt::format("Allocated lease ({}) to current node ({})", subnet, ip)
                     : fmt::format("Found lease ({}) for current IP ({}), reusing", subnet, ip),
            {{"valid", validity()}});
  listener_.on_active(act.lease);
  listener_.on_state();
}

std::string LeaseRunner::validity() const {
  if (keeper_.expires() == kNever) return "for ever (a reservation)";
  return fmt::format("for {} s", time_left().count());
}

std::chrono::seconds LeaseRunner::time_left() const {
  const Duration left = std::max(Duration::zero(), keeper_.expires() - loop_.now());
  return std::chrono::duration_cast<std::chrono::seconds>(left);
}

void LeaseRunner::perform(const ReportLost& act) {
  const std::string subnet = to_string(act.lease.subnet);
  set_problem(make_problem(kLeaseLost, subnet, "lease on " + subnet + " lost: " + act.reason));
}

void LeaseRunner::perform(const ReportError& act) {
  const std::string& why = act.error.text;
  if (keeper_.phase() == LeasePhase::draining) {
    set_problem(make_problem(kDrainedNotDeleted, registry_.describe(), why));
  } else if (!keeper_.lease()) {
    set_problem(make_problem(kLeaseRefused, registry_.describe(), why));
  } else {
    const bool is_lost = problem_ && problem_->kind == &kLeaseLost;
    set_problem(make_problem(is_lost ? kLeaseLost : kLeaseTrouble,
                             to_string(keeper_.lease()->subnet), why));
  }
}

void LeaseRunner::set_problem(Problem problem) {
  if (problem_ == problem) return;
  problem_ = std::move(problem);
  listener_.on_state();
}

}  // namespace flannel
