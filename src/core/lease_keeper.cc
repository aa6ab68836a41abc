// SPDX-License-Identifier: Apache-2.0
#include "core/lease_keeper.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "core/renewal_time.h"

namespace flannel {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// So many lost races in a row are answered at once. What is refused more often may be refused for
// ever, by what no list shows: it is a failure.
constexpr unsigned kRacesAtOnce = 3;

// The store did not do it, because the record is not as we thought.
bool is_refusal(ErrorKind kind) {
  return kind == ErrorKind::exists || kind == ErrorKind::conflict || kind == ErrorKind::not_found;
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
  if (phase_ != LeasePhase::idle) return acts;
  leaving_ = false;
  enter(LeaseEvent::started);
  list(acts);
  return acts;
}

std::vector<KeeperAct> LeaseKeeper::on_snapshot(TimePoint now, Result<Snapshot> snapshot) {
  assert(call_ == Call::snapshot);
  call_ = Call::none;
  Acts acts;
  if (!snapshot) {
    report(std::move(snapshot.error()).during("list the leases"), acts);
    pause(now);
  } else {
    acquire(now, *snapshot, acts);
  }
  return acts;
}

std::vector<KeeperAct> LeaseKeeper::on_written(TimePoint now, TimePoint sent, Result<Held> held) {
  assert(call_ == Call::create || call_ == Call::replace);
  const bool created = std::exchange(call_, Call::none) == Call::create;
  Acts acts;
  const std::string key = encode_subnet_key(target_->subnet);
  if (held) {
    record_ = Record{key, target_value_, held->revision, held->hold};
    granted(sent, *held);
    on_confirmed(now, acts);
    return acts;
  }
  Error error = std::move(held.error()).during((created ? "create " : "write ") + key);
  if (is_refusal(error.kind)) {
    refused(now, std::move(error), acts);
  } else {
    report(std::move(error), acts);
    pause(now);
    process_heard_changes(now, acts);
  }
  return acts;
}

std::vector<KeeperAct> LeaseKeeper::on_renewed(TimePoint now, TimePoint sent, Result<Held> held) {
  assert(call_ == Call::renew);
  call_ = Call::none;
  Acts acts;
  if (held) {
    record_->revision = held->revision;
    record_->hold = held->hold;
    granted(sent, *held);
    on_confirmed(now, acts);
    return acts;
  }
  Error error = std::move(held.error()).during("renew " + record_->key);
  if (is_refusal(error.kind)) {
    refused(now, std::move(error), acts);
  } else {
    // The runner logs each failed renewal; an alarm it is only while we hold nothing yet.
    if (phase_ == LeasePhase::writing) report(std::move(error), acts);
    pause(now);
    process_heard_changes(now, acts);
  }
  return acts;
}

std::vector<KeeperAct> LeaseKeeper::on_released(TimePoint now, Result<void> released) {
  assert(call_ == Call::release);
  call_ = Call::none;
  Acts acts;
  std::optional<Error> error;
  if (!released) error = std::move(released.error()).during("release the lease");
  if (error && !is_refusal(error->kind)) {
    report(*std::move(error), acts);
    pause(now);
    return acts;
  }
  record_.reset();
  if (leaving_) {
    if (!error) target_.reset();
    leave(acts);
  } else if (!error) {
    list(acts);
  } else {
    refused(now, *std::move(error), acts);
  }
  return acts;
}

std::vector<KeeperAct> LeaseKeeper::try_now(TimePoint now) {
  if (wake_at_ != kNever) wake_at_ = std::min(wake_at_, now);
  return tick(now);
}

std::vector<KeeperAct> LeaseKeeper::tick(TimePoint now) {
  Acts acts;
  if (call_ != Call::none || now < wake_at_) return acts;
  wake_at_ = kNever;
  if (leaving_) {
    leave(acts);
  } else if (phase_ == LeasePhase::active || phase_ == LeasePhase::renewing) {
    refresh(now, acts);
  } else if (phase_ != LeasePhase::idle) {
    // A write that failed may still have been done: only a list can tell.
    enter(LeaseEvent::doubted);
    list(acts);
  }
  return acts;
}

TimePoint LeaseKeeper::next_wakeup() const {
  return call_ == Call::none ? wake_at_ : kNever;
}

std::vector<KeeperAct> LeaseKeeper::reannounce(TimePoint now, std::optional<NodeTag> node) {
  Acts acts;
  if (node) options_.node = node;
  public_ip_ = announce_(lease_ ? &*lease_ : nullptr).public_ip;
  if (call_ != Call::none) {
    reannounce_ = true;
  } else if (phase_ == LeasePhase::active || phase_ == LeasePhase::renewing) {
    set_target(lease_->subnet, &*lease_);
    if (target_value_ != record_->value) refresh(now, acts);
  }
  return acts;
}

std::vector<KeeperAct> LeaseKeeper::release(TimePoint) {
  Acts acts;
  leaving_ = true;
  if (call_ == Call::none) leave(acts);
  return acts;
}

void LeaseKeeper::list(Acts& acts) {
  record_.reset();
  heard_.clear();
  wake_at_ = kNever;
  call_ = Call::snapshot;
  acts.emplace_back(TakeSnapshot{});
}

// A lease that is about to end is not given away to politeness.
void LeaseKeeper::pause(TimePoint now) {
  Duration wait = (lost_ ? lost_backoff_ : backoff_).next(random_);
  if (expires_ != kNever && expires_ > now) {
    wait = std::min(wait, std::max<Duration>(milliseconds(250), (expires_ - now) / 4));
  }
  wake_at_ = now + wait;
}

void LeaseKeeper::report(Error error, Acts& acts) {
  reported_ = true;
  acts.emplace_back(ReportError{std::move(error)});
}

// A lost race, or the record is not what we thought: look again, at once unless that repeats.
void LeaseKeeper::refused(TimePoint now, Error error, Acts& acts) {
  enter(LeaseEvent::doubted);
  record_.reset();
  if (leaving_) {
    leave(acts);
  } else if (++races_ <= kRacesAtOnce) {
    list(acts);
  } else {
    report(std::move(error), acts);
    pause(now);
  }
}

void LeaseKeeper::granted(TimePoint sent, const Held& held) {
  if (held.ttl) {
    expires_ = lease_end(sent, *held.ttl);
    life_ = expires_ - sent;
    wake_at_ = renewal_time(sent, *held.ttl, options_.renew_margin, random_);
  } else {
    expires_ = kNever;
    wake_at_ = kNever;
  }
}

// The record is ours and says `target_`.
void LeaseKeeper::on_confirmed(TimePoint now, Acts& acts) {
  enter(LeaseEvent::confirmed);
  backoff_.reset();
  lost_backoff_.reset();
  races_ = 0;
  const bool news = !lease_ || *lease_ != *target_ || reported_;
  lease_ = target_;
  lost_ = false;
  reported_ = false;
  if (leaving_) {
    leave(acts);
    return;
  }
  if (news) acts.emplace_back(AnnounceActive{*lease_});
  process_heard_changes(now, acts);
  if (std::exchange(reannounce_, false) && call_ == Call::none) {
    set_target(lease_->subnet, &*lease_);
    if (target_value_ != record_->value) refresh(now, acts);
  }
}

// Makes the record that is ours say what we announce, or else live on.
void LeaseKeeper::refresh(TimePoint now, Acts& acts) {
  enter(LeaseEvent::due);
  set_target(lease_->subnet, &*lease_);
  wake_at_ = kNever;
  if (target_value_ != record_->value) {
    call_ = Call::replace;
    acts.emplace_back(ReplaceRecord{*record_, target_value_, ttl_for(*record_)});
  } else if (record_->hold != 0) {
    call_ = Call::renew;
    acts.emplace_back(RenewRecord{*record_, ttl_for(*record_)});
  } else {
    on_confirmed(now, acts);
  }
}

void LeaseKeeper::leave(Acts& acts) {
  wake_at_ = kNever;
  if (record_ && record_->hold != 0) {
    call_ = Call::release;
    acts.emplace_back(ReleaseRecord{*record_});
    return;
  }
  if (!record_ && target_) {  // what was asked for last may have been done
    list(acts);
    return;
  }
  enter(LeaseEvent::left);
  record_.reset();
  expires_ = kNever;
}

Ttl LeaseKeeper::ttl_for(const Record& record) const {
  return record.hold == 0 ? Ttl() : Ttl(options_.ttl);
}

}  // namespace flannel
