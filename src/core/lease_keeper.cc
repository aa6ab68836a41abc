// SPDX-License-Identifier: Apache-2.0
#include "core/lease_keeper.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "core/renewal_time.h"

namespace flannel {
namespace {

using keeper::Name;
using keeper::Update;
using std::chrono::milliseconds;
using std::chrono::seconds;

// The number of refusals in a row after which the records are listed without a pause. More refusals
// count as a failure, because their reason may be permanent and missing from every list.
constexpr unsigned kRefusalsWithoutPause = 3;

// True if the store changed nothing, because the record is not in the state that the call expects.
bool is_refusal(ErrorKind kind) {
  return kind == ErrorKind::exists || kind == ErrorKind::conflict || kind == ErrorKind::not_found;
}

Ttl ttl_for(const Record& record, const KeeperOptions& options) {
  return !record.expires() ? Ttl() : Ttl(options.ttl);
}

// Several attempts fit into the life of a lease, and a restored store has its leases back soon.
Duration longest_pause(const KeeperOptions& options) {
  return std::clamp<Duration>(options.ttl / 10, seconds(2), seconds(30));
}

}  // namespace

LeaseKeeper::LeaseKeeper(KeeperOptions options, NetworkConfig config, PublicIps public_ips,
                         Announce announce, std::optional<SubnetKey> previous, Random random)
    : options_(options),
      config_(std::move(config)),
      public_ips_(public_ips),
      announce_(std::move(announce)),
      previous_(previous),
      random_(std::move(random)),
      backoff_(seconds(1), longest_pause(options)),
      lost_backoff_(milliseconds(200), longest_pause(options)),
      write_back_pause_(seconds(1), seconds(30)),
      exchange_pause_(std::chrono::minutes(1), std::chrono::hours(1)) {}

std::vector<KeeperAct> LeaseKeeper::start(TimePoint) {
  Acts acts;
  if (name_of(state_) != Name::idle) return acts;
  list(acts);
  return acts;
}

std::vector<KeeperAct> LeaseKeeper::resume(TimePoint now, const Lease& lease, Record record,
                                           TimePoint expires, Duration life) {
  Acts acts;
  if (name_of(state_) != Name::idle) return acts;
  expires_ = expires;
  life_ = life;
  target_.emplace(Target{lease, record.value});
  due_.reannounce = true;
  const TimePoint wake_at = record.expires() ? now : kNever;
  on_confirmed(now, std::move(record), wake_at, acts);
  return acts;
}

const Record* LeaseKeeper::record() const {
  if (looked_at_from_) return life_is_known_ ? &looked_at_from_->record : nullptr;
  const bool is_held = phase() == LeasePhase::active || phase() == LeasePhase::renewing;
  return is_held && life_is_known_ ? keeper::record_in(state_) : nullptr;
}

std::vector<KeeperAct> LeaseKeeper::on_snapshot(TimePoint now, Result<Snapshot> snapshot) {
  Acts acts;
  if (answers_earlier_call(acts)) return acts;
  assert(name_of(state_) == Name::listing || name_of(state_) == Name::surveying);
  if (!snapshot && looked_at_from_) {
    exchange_at_ = now + exchange_pause_.next(random_);
    enter(keeper::Active(*looked_at_from_));
    process_changes(now, acts);
  } else if (!snapshot) {
    report(std::move(snapshot.error()).during("list the leases"), acts);
    pause(now);
  } else if (name_of(state_) == Name::surveying) {
    on_survey(now, *snapshot, acts);
  } else {
    acquire(now, *snapshot, acts);
  }
  return acts;
}

std::vector<KeeperAct> LeaseKeeper::on_written(TimePoint now, TimePoint sent,
                                               Result<WriteResult> written) {
  Acts acts;
  if (answers_earlier_call(acts)) return acts;
  const bool created = name_of(state_) == Name::creating;
  assert(created || under_way(state_) == Update::replace);
  const std::string key = encode_subnet_key(target_->lease.subnet);
  if (written && created && !std::get<keeper::Creating>(state_).is_final) {
    list(acts);
    return acts;
  }
  if (written) {
    const TimePoint wake_at = set_life(sent, *written);
    on_confirmed(now, Record{key, target_->value, written->revision, written->expiry_handle},
                 wake_at, acts);
    return acts;
  }
  Error error = std::move(written.error()).during((created ? "create " : "write ") + key);
  if (is_refusal(error.kind)) {
    on_refused(now, std::move(error), acts);
  } else {
    report(std::move(error), acts);
    on_update_failed(now, acts);
  }
  return acts;
}

std::vector<KeeperAct> LeaseKeeper::on_renewed(TimePoint now, TimePoint sent,
                                               Result<WriteResult> renewed) {
  Acts acts;
  if (answers_earlier_call(acts)) return acts;
  assert(under_way(state_) == Update::renew);
  Record record = *record_in(state_);
  if (renewed) {
    record.revision = renewed->revision;
    record.expiry_handle = renewed->expiry_handle;
    const TimePoint wake_at = set_life(sent, *renewed);
    on_confirmed(now, std::move(record), wake_at, acts);
    return acts;
  }
  Error error = std::move(renewed.error()).during("renew " + record.key);
  if (is_refusal(error.kind)) {
    on_refused(now, std::move(error), acts);
  } else {
    // The runner logs failed renewals itself. Before the lease is active they are also a reason why
    // it is not.
    if (name_of(state_) == Name::adopting) report(std::move(error), acts);
    on_update_failed(now, acts);
  }
  return acts;
}

std::vector<KeeperAct> LeaseKeeper::on_released(TimePoint now, Result<void> released) {
  Acts acts;
  if (answers_earlier_call(acts)) return acts;
  assert(name_of(state_) == Name::discarding || name_of(state_) == Name::withdrawing);
  if (released) {
    due_.rewrite = true;
    list_again(acts);
    return acts;
  }
  Error error = std::move(released.error()).during("release the lease");
  if (is_refusal(error.kind)) {
    on_refused(now, std::move(error), acts);
  } else {
    report(std::move(error), acts);
    pause(now);
  }
  return acts;
}

std::vector<KeeperAct> LeaseKeeper::on_older_lease() {
  Acts acts;
  if (name_of(state_) == Name::active) list(acts);
  return acts;
}

std::vector<KeeperAct> LeaseKeeper::try_now(TimePoint now) {
  if (name_of(state_) == Name::drained) {
    Acts acts;
    survey(acts);
    return acts;
  }
  try_exchange_sooner(now);
  if (TimePoint* wake = wake_at_in(state_); wake && *wake != kNever) *wake = std::min(*wake, now);
  return tick(now);
}

std::vector<KeeperAct> LeaseKeeper::tick(TimePoint now) {
  Acts acts;
  if (now < next_wakeup()) return acts;
  if (name_of(state_) == Name::active && exchange_at_ <= now) {
    auto held = std::get<keeper::Active>(state_);
    list(acts);
    looked_at_from_ = std::move(held);
  } else if (own_record() != nullptr) {
    refresh(now, acts);
  } else {  // only a list can show whether a failed write has taken effect
    list_again(acts);
  }
  return acts;
}

TimePoint LeaseKeeper::next_wakeup() const {
  const TimePoint* wake = wake_at_in(state_);
  const TimePoint exchange = name_of(state_) == Name::active ? exchange_at_ : kNever;
  return std::min(wake ? *wake : kNever, exchange);
}

std::vector<KeeperAct> LeaseKeeper::reconfigure(TimePoint now, NetworkConfig config) {
  config_ = std::move(config);
  const bool had_failed = exchange_error_.has_value();
  end_exchange();
  if (lease_ && !has_configured_families()) {
    exchange_at_ = now;
    return tick(now);
  }
  Acts acts = reannounce(now);
  if (had_failed && name_of(state_) == Name::active) refresh(now, acts);
  return acts;
}

std::vector<KeeperAct> LeaseKeeper::set_options(TimePoint now, seconds renew_margin,
                                                bool renumber) {
  options_.renumber = renumber;
  if (std::exchange(options_.renew_margin, renew_margin) == renew_margin) return {};
  return try_now(now);
}

bool LeaseKeeper::has_configured_families() const {
  return std::ranges::all_of(kFamilies, [this](Family family) {
    return config_.at(family).has_value() == lease_->subnet.at(family).has_value();
  });
}

std::vector<KeeperAct> LeaseKeeper::reannounce(TimePoint now, std::optional<NodeTag> node) {
  Acts acts;
  if (node) options_.node = node;
  public_ips_ = announce_(lease_ ? &*lease_ : nullptr).public_ips();
  if (is_call(name_of(state_))) {
    due_.reannounce = true;
  } else {
    refresh_if_changed(now, acts);
  }
  return acts;
}

void LeaseKeeper::refresh_if_changed(TimePoint now, Acts& acts) {
  const Record* record = own_record();
  if (record == nullptr) return;
  set_target(lease_->subnet, &*lease_);
  if (target_->value != record->value) refresh(now, acts);
}

void LeaseKeeper::list(Acts& acts) {
  changes_.clear();
  enter(keeper::Listing{});
  acts.emplace_back(TakeSnapshot{});
}

// Goes on with a list that shows what the last call has found, or has left.
void LeaseKeeper::list_again(Acts& acts) {
  if (keeper::is_drained(name_of(state_))) {
    survey(acts);
  } else {
    list(acts);
  }
}

void LeaseKeeper::pause(TimePoint now) {
  if (keeper::is_drained(name_of(state_))) {
    enter(keeper::WithdrawPaused{retry_at(now)});
  } else {
    enter(keeper::Paused{retry_at(now)});
  }
}

// The pause is at most a quarter of the time that the lease still has, so that it can be renewed
// before it ends.
TimePoint LeaseKeeper::retry_at(TimePoint now) {
  Duration wait = (alarm_ == Alarm::lost ? lost_backoff_ : backoff_).next(random_);
  if (expires_ != kNever && expires_ > now) {
    wait = std::min(wait, std::max<Duration>(milliseconds(250), (expires_ - now) / 4));
  }
  return now + wait;
}

void LeaseKeeper::report(Error error, Acts& acts) {
  if (alarm_ == Alarm::none) alarm_ = Alarm::failure;
  acts.emplace_back(ReportError{std::move(error)});
}

// Handles a refused call: another host was faster, or the record differs from what we know.
void LeaseKeeper::on_refused(TimePoint now, Error error, Acts& acts) {
  if (++refusals_ <= kRefusalsWithoutPause) {
    list_again(acts);
  } else {
    report(std::move(error), acts);
    pause(now);
  }
}

// Handles a failed write or renewal. It is not known whether it has taken effect.
void LeaseKeeper::on_update_failed(TimePoint now, Acts& acts) {
  if (auto* refreshing = std::get_if<keeper::Refreshing>(&state_)) {
    enter(keeper::RefreshPaused{std::move(refreshing->record), retry_at(now)});
    process_changes(now, acts);
  } else {
    enter(keeper::Paused{retry_at(now)});
  }
}

// Sets the end of the lease, and returns the time of its next renewal; kNever: a reservation.
TimePoint LeaseKeeper::set_life(TimePoint sent, const WriteResult& granted) {
  if (!granted.ttl) {
    expires_ = kNever;
    return kNever;
  }
  expires_ = lease_end(sent, *granted.ttl);
  life_ = expires_ - sent;
  return renewal_time(sent, *granted.ttl, options_.renew_margin, random_);
}

// Handles that the store has our record with the content of `target_`.
void LeaseKeeper::on_confirmed(TimePoint now, Record record, TimePoint wake_at, Acts& acts) {
  enter(keeper::Active{std::move(record), wake_at});
  life_is_known_ = true;
  backoff_.reset();
  lost_backoff_.reset();
  refusals_ = 0;
  const bool is_other = !lease_ || *lease_ != target_->lease;
  lease_ = target_->lease;
  // The configuration may have changed again while this record was written.
  const bool is_exchanged = options_.only || has_configured_families();
  if (is_exchanged) {
    end_exchange();
  } else if (exchange_at_ == kNever) {
    exchange_at_ = now;
  }
  const bool changed = is_other || alarm_ != Alarm::none;
  alarm_ = Alarm::none;
  other_store_ = false;
  yields_ = false;
  due_.rewrite = false;
  if (changed) acts.emplace_back(AnnounceActive{*lease_});
  if (changed && exchange_error_) acts.emplace_back(ReportError{*exchange_error_});
  process_changes(now, acts);
  if (std::exchange(due_.reannounce, false)) refresh_if_changed(now, acts);
}

// Replaces our record if it is to be written, and otherwise renews it. A reservation needs no
// renewal.
void LeaseKeeper::update(TimePoint now, Record record, Acts& acts) {
  if (target_->value != record.value || due_.rewrite) {
    acts.emplace_back(ReplaceRecord{record, target_->value, ttl_for(record, options_)});
    enter_update(std::move(record), Update::replace);
  } else if (record.expires()) {
    acts.emplace_back(RenewRecord{record, ttl_for(record, options_)});
    enter_update(std::move(record), Update::renew);
  } else {
    on_confirmed(now, std::move(record), kNever, acts);
  }
}

void LeaseKeeper::enter_update(Record record, Update update) {
  if (own_record() != nullptr) {
    enter(keeper::Refreshing{std::move(record), update});
  } else {
    enter(keeper::Adopting{std::move(record), update});
  }
}

void LeaseKeeper::refresh(TimePoint now, Acts& acts) {
  set_target(lease_->subnet, &*lease_);
  update(now, *own_record(), acts);
}

}  // namespace flannel
