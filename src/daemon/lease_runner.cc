// SPDX-License-Identifier: Apache-2.0
#include "daemon/lease_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace flannel {
namespace {

std::string without(std::string text, const std::string& part) {
  if (part.empty()) return text;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at))
    text.erase(at, part.size());
  return text;
}

}  // namespace

LeaseRunner::LeaseRunner(LeaseKeeper keeper, Registry& registry, const StoreFollower& follower,
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

void LeaseRunner::on_change(const Change& change) {
  perform(keeper_.on_change(loop_.now(), change));
}

void LeaseRunner::on_snapshot(const Snapshot& snapshot) {
  if (std::exchange(awaits_list_, false)) {
    return perform(keeper_.on_snapshot(loop_.now(), snapshot));
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

void LeaseRunner::rename(const NodeTag& node) {
  perform(keeper_.reannounce(loop_.now(), node));
}

void LeaseRunner::reconfigure(const NetworkConfig& config) {
  perform(keeper_.reconfigure(loop_.now(), config));
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
  if (keeper_.lease() && keeper_.expires() <= loop_.now() && follower_.list_is_due()) {
    awaits_list_ = true;
    return;
  }
  registry_.snapshot([this](Result<Snapshot> snapshot) {
    perform(keeper_.on_snapshot(loop_.now(), std::move(snapshot)));
  });
}

void LeaseRunner::perform(const CreateRecord& act) {
  log::verbose(1, "creating the lease", {{"key", act.key}});
  last_key_ = act.key;
  created_ = true;
  registry_.create_if_absent(
      act.key, act.value, act.ttl,
      [this, sent = loop_.now()](Result<WriteResult> held) { on_written(sent, std::move(held)); });
}

void LeaseRunner::perform(const ReplaceRecord& act) {
  log::verbose(1, "writing the lease", {{"key", act.seen.key}});
  last_key_ = act.seen.key;
  created_ = false;
  registry_.replace_if_unchanged(
      act.seen, act.value, act.ttl,
      [this, sent = loop_.now()](Result<WriteResult> held) { on_written(sent, std::move(held)); });
}

void LeaseRunner::on_written(TimePoint sent, Result<WriteResult> held) {
  if (held) clear_renewal_failures();  // earlier failures concerned another lease
  perform(keeper_.on_written(loop_.now(), sent, std::move(held)));
}

void LeaseRunner::perform(const RenewRecord& act) {
  registry_.renew_if_unchanged(
      act.seen, act.ttl, [this, sent = loop_.now()](Result<WriteResult> held) {
        const bool renewed = held.has_value();
        note_renewal(held);
        perform(keeper_.on_renewed(loop_.now(), sent, std::move(held)));
        report_renewal_trouble();
        if (renewed && keeper_.expires() != kNever) {
          log::info("Lease renewed",
                    {{"subnet", to_string(keeper_.lease()->subnet)}, {"valid", validity()}});
        }
      });
}

// Renewals are retried every half minute while the store is unreachable; each reason is logged
// once.
void LeaseRunner::note_renewal(const Result<WriteResult>& held) {
  if (held) return clear_renewal_failures();
  renewal_failure_ = follower_.connected() ? held.error().text : std::string();
  if (!renewal_failures_.first_time(held.error().text)) return;
  log::warning("renewing the lease failed, trying again",
               {{"why", held.error().text}, {"store", registry_.describe()}});
}

void LeaseRunner::clear_renewal_failures() {
  renewal_failures_.clear();
  renewal_trouble_logged_ = false;
  if (!std::exchange(renewal_failure_, {}).empty()) listener_.on_state();
}

std::string LeaseRunner::renewal_trouble() const {
  const bool fails = keeper_.phase() == LeasePhase::renewing && !renewal_failure_.empty();
  if (!fails || !follower_.connected() || time_left() > keeper_.life() / 2) return {};
  return fmt::format("cannot be renewed, ends in {} s: {}", time_left().count(), renewal_failure_);
}

void LeaseRunner::report_renewal_trouble() {
  if (renewal_trouble().empty()) return;
  if (!std::exchange(renewal_trouble_logged_, true)) {
    log::error("the lease cannot be renewed, although the store is reachable",
               {{"subnet", to_string(keeper_.lease()->subnet)},
                {"valid", validity()},
                {"why", renewal_failure_},
                {"store", registry_.describe()}});
  }
  listener_.on_state();  // the text has the time that is left
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

void LeaseRunner::perform(const AnnounceActive& act) {
  trouble_.clear();
  logged_refusals_.clear();
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
  trouble_ = "lease on " + to_string(act.lease.subnet) + " lost: " + act.reason;
  log::error("the lease is lost and will be acquired again; packets still pass",
             {{"subnet", to_string(act.lease.subnet)},
              {"why", act.reason},
              {"store", registry_.describe()}});
  listener_.on_state();
}

void LeaseRunner::perform(const ReportError& act) {
  if (trouble_ == act.error.text) return;  // the same error is logged once
  trouble_ = act.error.text;
  // Without a lease each attempt names another random subnet, although the reason is the same.
  if (logged_refusals_.first_time(without(act.error.text, last_key_))) {
    log::error(
        keeper_.lease() ? "trouble with the lease, trying again" : "no lease yet, trying again",
        {{"why", act.error.text}, {"store", registry_.describe()}});
  }
  listener_.on_state();
}

}  // namespace flannel
