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

// So many lost races in a row are answered at once. What is refused more often may be refused for
// ever, by what no list shows: it is a failure.
constexpr unsigned kRacesAtOnce = 3;

// The store did not do it, because the record is not as we thought.
bool is_refusal(ErrorKind kind) {
  return kind == ErrorKind::exists || kind == ErrorKind::conflict || kind == ErrorKind::not_found;
}

Ttl ttl_for(const Record& record, const KeeperOptions& options) {
  return !record.expires() ? Ttl() : Ttl(options.ttl);
}

Duration longest_pause(const KeeperOptions& options) {
  return std::clamp<Duration>(options.ttl / 10, seconds(2), seconds(30));
}

}  // namespace

LeaseKeeper::LeaseKeeper(KeeperOptions options, NetworkConfig config, Ip4 public_ip,
                         Announce announce, std::optional<Cidr4> previous, Random random)
    : options_(options),
      config_(std::move(config)),
      public_ip_(public_ip),
      announce_(std::move(announce)),
      previous_(previous),
      random_(std::move(random)),
      backoff_(seconds(1), longest_pause(options)),
      lost_backoff_(milliseconds(200), longest_pause(options)),
      write_back_pause_(seconds(1), seconds(30)) {}

std::vector<KeeperAct> LeaseKeeper::start(TimePoint) {
  Acts acts;
  if (name_of(state_) != Name::idle) return acts;
  goal_ = Goal::keep;
  list(acts);
  return acts;
}

std::vector<KeeperAct> LeaseKeeper::on_snapshot(TimePoint now, Result<Snapshot> snapshot) {
  assert(name_of(state_) == Name::listing);
  Acts acts;
  if (!snapshot) {
    report(std::move(snapshot.error()).during("list the leases"), acts);
    enter(keeper::Paused{retry_at(now)});
  } else {
    acquire(now, *snapshot, acts);
  }
  return acts;
}

std::vector<KeeperAct> LeaseKeeper::on_written(TimePoint now, TimePoint sent,
                                               Result<WriteResult> held) {
  const bool created = name_of(state_) == Name::creating;
  assert(created || under_way(state_) == Update::replace);
  Acts acts;
  const std::string key = encode_subnet_key(target_->lease.subnet);
  if (held) {
    const TimePoint wake_at = granted(sent, *held);
    on_confirmed(now, Record{key, target_->value, held->revision, held->expiry_handle}, wake_at,
                 acts);
    return acts;
  }
  Error error = std::move(held.error()).during((created ? "create " : "write ") + key);
  if (is_refusal(error.kind)) {
    refused(now, std::move(error), acts);
  } else {
    report(std::move(error), acts);
    update_failed(now, acts);
  }
  return acts;
}

std::vector<KeeperAct> LeaseKeeper::on_renewed(TimePoint now, TimePoint sent,
                                               Result<WriteResult> held) {
  assert(under_way(state_) == Update::renew);
  Acts acts;
  Record record = *record_in(state_);
  if (held) {
    record.revision = held->revision;
    record.expiry_handle = held->expiry_handle;
    const TimePoint wake_at = granted(sent, *held);
    on_confirmed(now, std::move(record), wake_at, acts);
    return acts;
  }
  Error error = std::move(held.error()).during("renew " + record.key);
  if (is_refusal(error.kind)) {
    refused(now, std::move(error), acts);
  } else {
    // The runner logs each failed renewal; an alarm it is only while no lease is active yet.
    if (name_of(state_) == Name::adopting) report(std::move(error), acts);
    update_failed(now, acts);
  }
  return acts;
}

std::vector<KeeperAct> LeaseKeeper::on_released(TimePoint now, Result<void> released) {
  assert(name_of(state_) == Name::releasing || name_of(state_) == Name::discarding);
  Acts acts;
  std::optional<Error> error;
  if (!released) error = std::move(released.error()).during("release the lease");
  if (error && !is_refusal(error->kind)) {
    report(*std::move(error), acts);
    const Record* record = record_in(state_);
    enter(keeper::Paused{retry_at(now), record ? std::optional(*record) : std::nullopt});
  } else if (goal_ == Goal::leave) {
    if (!error) target_.reset();
    leave(std::nullopt, acts);
  } else if (!error) {
    list(acts);
  } else {
    refused(now, *std::move(error), acts);
  }
  return acts;
}

std::vector<KeeperAct> LeaseKeeper::try_now(TimePoint now) {
  if (TimePoint* wake = wake_at_in(state_); wake && *wake != kNever) *wake = std::min(*wake, now);
  return tick(now);
}

std::vector<KeeperAct> LeaseKeeper::tick(TimePoint now) {
  Acts acts;
  if (now < next_wakeup()) return acts;
  if (goal_ == Goal::leave) {
    leave(known_record(), acts);
  } else if (own_record() != nullptr) {
    refresh(now, acts);
  } else {  // a failed write may have taken effect, which only a list can show
    list(acts);
  }
  return acts;
}

TimePoint LeaseKeeper::next_wakeup() const {
  const TimePoint* wake = wake_at_in(state_);
  return wake ? *wake : kNever;
}

std::vector<KeeperAct> LeaseKeeper::reannounce(TimePoint now, std::optional<NodeTag> node) {
  Acts acts;
  if (node) options_.node = node;
  public_ip_ = announce_(lease_ ? &*lease_ : nullptr).public_ip;
  if (is_call(name_of(state_))) {
    reannounce_ = true;
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

std::vector<KeeperAct> LeaseKeeper::release(TimePoint) {
  Acts acts;
  goal_ = Goal::leave;
  if (!is_call(name_of(state_))) leave(known_record(), acts);
  return acts;
}

void LeaseKeeper::enter(keeper::State next) {
  assert(may_follow(name_of(state_), name_of(next)));
  state_ = std::move(next);
}

// The record that an orderly leave has to delete, as far as it is known.
std::optional<Record> LeaseKeeper::known_record() const {
  const Record* record = record_in(state_);
  return record ? std::optional(*record) : std::nullopt;
}

void LeaseKeeper::list(Acts& acts) {
  heard_.clear();
  enter(keeper::Listing{});
  acts.emplace_back(TakeSnapshot{});
}

// A lease that is about to end is not given away to politeness.
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

// A lost race, or the record is not what we thought: look again, at once unless that repeats.
void LeaseKeeper::refused(TimePoint now, Error error, Acts& acts) {
  if (goal_ == Goal::leave) {
    leave(std::nullopt, acts);
  } else if (++races_ <= kRacesAtOnce) {
    list(acts);
  } else {
    report(std::move(error), acts);
    enter(keeper::Paused{retry_at(now)});
  }
}

// Whether it was done is not known.
void LeaseKeeper::update_failed(TimePoint now, Acts& acts) {
  if (auto* refreshing = std::get_if<keeper::Refreshing>(&state_)) {
    enter(keeper::RefreshPaused{std::move(refreshing->record), retry_at(now)});
    process_heard_changes(now, acts);
  } else {
    enter(keeper::Paused{retry_at(now), known_record()});
  }
}

// When to renew what the store has granted.
TimePoint LeaseKeeper::granted(TimePoint sent, const WriteResult& held) {
  if (!held.ttl) {
    expires_ = kNever;
    return kNever;
  }
  expires_ = lease_end(sent, *held.ttl);
  life_ = expires_ - sent;
  return renewal_time(sent, *held.ttl, options_.renew_margin, random_);
}

// The record is ours and says `target_`.
void LeaseKeeper::on_confirmed(TimePoint now, Record record, TimePoint wake_at, Acts& acts) {
  enter(keeper::Active{std::move(record), wake_at});
  backoff_.reset();
  lost_backoff_.reset();
  races_ = 0;
  const bool changed = !lease_ || *lease_ != target_->lease || alarm_ != Alarm::none;
  lease_ = target_->lease;
  alarm_ = Alarm::none;
  if (goal_ == Goal::leave) {
    leave(known_record(), acts);
    return;
  }
  if (changed) acts.emplace_back(AnnounceActive{*lease_});
  process_heard_changes(now, acts);
  if (std::exchange(reannounce_, false)) refresh_if_changed(now, acts);
}

// Makes the record, which is ours, say what we announce, or else live on.
void LeaseKeeper::update(TimePoint now, Record record, Acts& acts) {
  if (target_->value != record.value) {
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

// `record`: ours, if it is known.
void LeaseKeeper::leave(std::optional<Record> record, Acts& acts) {
  if (record && record->expires()) {
    acts.emplace_back(ReleaseRecord{*record});
    enter(keeper::Releasing{*std::move(record)});
  } else if (!record && target_) {  // what was asked for last may have been done
    list(acts);
  } else {
    enter(keeper::Idle{});
    expires_ = kNever;
  }
}

}  // namespace flannel
