// SPDX-License-Identifier: Apache-2.0
#include "daemon/store_follower.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "core/lease.h"

namespace flannel {
namespace {

// A watch that has lasted this long works, even if it has not reported a change.
constexpr auto kStood = std::chrono::seconds(5);

// True if the record may be that of a host that lists as this one does.
bool is_lease(const std::string& key) {
  return decode_subnet_key(key).has_value();
}

}  // namespace

StoreFollower::StoreFollower(StoreFeed& store, Loop& loop, Random random, Listener listener)
    : store_(store), loop_(loop), random_(std::move(random)), listener_(std::move(listener)) {}

void StoreFollower::start() {
  list();
}

void StoreFollower::list_again() {
  // In a later turn, since the caller may be the listener of the watch that this ends.
  retry_.arm(loop_.now());
}

void StoreFollower::list() {
  listed_ = false;
  retry_.cancel();
  standing_.cancel();
  watch_.reset();
  store_.snapshot([this, turn = ++turn_](Result<Snapshot> snapshot) {
    if (turn == turn_) listed(std::move(snapshot));
  });
}

void StoreFollower::listed(Result<Snapshot> snapshot) {
  if (!snapshot) {
    disconnected(snapshot.error());
    return;
  }
  ++counters_.snapshots;
  listed_ = true;
  const auto& records = snapshot->records;
  leases_ = static_cast<std::size_t>(std::count_if(
      records.begin(), records.end(), [](const Record& record) { return is_lease(record.key); }));
  // If the last watch broke before it had worked, a successful list is not enough.
  if (!watch_in_doubt_) come_back();
  watch(snapshot->revision);
  listener_.on_snapshot(*snapshot);
}

void StoreFollower::come_back() {
  if (std::exchange(connected_, true)) return;
  last_error_.clear();
  log::info("connected to the store", {{"store", store_.describe()}, {"leases", leases_}});
  listener_.on_connection();
}

// Only a watch that works resets the pauses. Otherwise a store on which lists work and watches do
// not would be listed again and again without pauses.
void StoreFollower::watch_works() {
  standing_.cancel();
  watch_in_doubt_ = false;
  backoff_.reset();
  come_back();
}

void StoreFollower::watch(Revision from) {
  WatchListener listener;
  listener.on_changes = [this](const std::vector<Change>& changes, Revision) {
    watch_works();
    count(changes);
    if (!changes.empty()) listener_.on_changes(changes);
  };
  listener.on_position_lost = [this] { position_lost(); };
  listener.on_disconnected = [this](const Error& error) {
    watch_in_doubt_ = standing_.armed();
    disconnected(error);
  };
  standing_.arm_after(kStood);
  watch_ = store_.watch(from, std::move(listener));
}

void StoreFollower::position_lost() {
  ++counters_.positions_lost;
  log::info("the store's history before now is gone, listing again",
            {{"store", store_.describe()}});
  const bool stood = !standing_.armed();
  standing_.cancel();
  // A store that loses each position at once is listed with pauses.
  list_after(stood ? Duration::zero() : backoff_.next(random_));
}

// The count is approximate: a change of a record whose age is not known counts as a new record.
void StoreFollower::count(const std::vector<Change>& changes) {
  for (const Change& change : changes) {
    const auto* put = std::get_if<RecordPut>(&change);
    const auto* gone = std::get_if<RecordGone>(&change);
    if (put != nullptr && is_lease(put->record.key)) {
      const Revision created = put->record.created;
      leases_ += created == 0 || created == put->record.revision ? 1 : 0;
    } else if (gone != nullptr && is_lease(gone->key) && leases_ > 0) {
      --leases_;
    }
  }
}

void StoreFollower::list_after(Duration pause) {
  listed_ = false;
  const Duration spread = std::min<Duration>(kSpreadForEachLease * leases_, kLongestSpread);
  const auto bound = static_cast<std::uint64_t>(spread.count()) + 1;
  const auto more = Duration(static_cast<Duration::rep>(random_(bound)));
  retry_.arm_after(pause + more);
}

void StoreFollower::disconnected(const Error& error) {
  standing_.cancel();
  const bool changed = connected_ || last_error_ != error.text;
  connected_ = false;
  last_error_ = error.text;
  list_after(backoff_.next(random_));
  if (changed) listener_.on_connection();
}

}  // namespace flannel
