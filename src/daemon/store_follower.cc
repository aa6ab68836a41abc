// SPDX-License-Identifier: Apache-2.0
#include "daemon/store_follower.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/log.h"

namespace flannel {
namespace {

using Proof = HistoryProof::Verdict;

// A watch that has lasted this long works, even if it has not reported a change.
constexpr auto kStood = std::chrono::seconds(5);

constexpr const char* kOtherHistory = "the store has another history than the one that we know";

// True if the record may be that of a host that lists as this one does. A list has very many, so
// their keys are not parsed for that: all characters are those of a subnet.
bool is_lease(std::string_view key) {
  return key.find('-') != key.npos && key.find_first_not_of("0123456789abcdef.:&-") == key.npos;
}

std::size_t count_leases(const Snapshot& snapshot) {
  return static_cast<std::size_t>(std::ranges::count_if(
      snapshot.records, [](const Record& record) { return is_lease(record.key); }));
}

}  // namespace

StoreFollower::StoreFollower(StoreFeed& store, Loop& loop, Random random, Listener listener)
    : store_(store), loop_(loop), random_(std::move(random)), listener_(std::move(listener)) {}

void StoreFollower::start() {
  list(true);
}

void StoreFollower::start_from(Snapshot kept, const std::vector<Change>& history) {
  leases_ = count_leases(kept);
  kept_ = std::move(kept);
  patience_.arm_after(kPatience);
  for (const Change& change : history)
    known_.add(change);
  if (!known_.can_prove() || !store_.repeats_history()) return list(true);
  resume();
}

// The store is away, as far as this host can see.
void StoreFollower::offer_kept() {
  if (!kept_) return;
  patience_.cancel();
  Snapshot kept = *std::exchange(kept_, std::nullopt);
  if (listener_.on_kept(kept, false)) return;
  kept_ = std::move(kept);
  patience_.arm_after(kAskedAgain);
}

void StoreFollower::gather(const std::vector<Change>& missed) {
  apply(missed, *kept_);
  patience_.cancel();
  if (!gathering_.armed()) gathering_.arm_after(kGathered);
}

void StoreFollower::use_proven() {
  Snapshot now = *std::exchange(kept_, std::nullopt);
  if (listener_.on_kept(now, true)) return;
  kept_ = std::move(now);  // if the store goes away before the list
  list_again();
}

void StoreFollower::list_again() {
  // What the watch would report until then comes with the list.
  end_watch();
  known_.clear();
  next_ = Next::list;
  retry_.arm(loop_.now());
}

void StoreFollower::offer_again() {
  if (!kept_) return list_again();
  if (patience_.armed()) patience_.arm(loop_.now());
}

bool StoreFollower::list_after_pause() {
  if (!retry_.armed()) return false;
  if (next_ == Next::list || next_ == Next::believed_list) return true;
  known_.clear();
  list_after(Duration::zero());
  return true;
}

void StoreFollower::act() {
  switch (next_) {
    case Next::list:
      return list(true);
    case Next::believed_list:
      return list(false);
    case Next::watch_from_list:
      return watch_from_list();
    case Next::resume:
      return resume();
  }
}

void StoreFollower::list(bool is_checked) {
  current_ = false;
  retry_.cancel();
  end_watch();
  known_.clear();
  store_.snapshot([this, is_checked, turn = ++turn_](Result<Snapshot> snapshot) {
    if (turn == turn_) listed(std::move(snapshot), is_checked);
  });
}

void StoreFollower::listed(Result<Snapshot> snapshot, bool is_checked) {
  if (!snapshot) {
    disconnected(snapshot.error());
    return;
  }
  ++counters_.snapshots;
  current_ = true;
  comparison_.cancel();
  kept_.reset();
  patience_.cancel();
  leases_ = count_leases(*snapshot);
  // If the last watch broke before it had worked, a successful list is not enough.
  if (!watch_in_doubt_) come_back();
  if (is_checked && store_.repeats_history()) known_.begin(*snapshot);
  listed_at_ = snapshot->revision;
  watch_from_list();
  listener_.on_snapshot(*snapshot);
}

// The watch begins before the last changes that the list has, so that it proves that the store
// still has the history of the list, and so that the history is known from there on.
void StoreFollower::watch_from_list() {
  standing_.arm_after(kStood);
  proof_ = known_.empty() ? HistoryProof() : HistoryProof::after_list(known_, listed_at_);
  watch(known_.empty() ? listed_at_ : known_.before());
}

void StoreFollower::resume() {
  proving_.arm_after(kProofDeadline);
  proof_ = HistoryProof::after_break(known_);
  watch(known_.before());
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

void StoreFollower::stood() {
  if (proof_.verdict() == Proof::open) known_.clear();
  proof_.stood();
  if (proof_.verdict() == Proof::refuted) return doubt(kOtherHistory);
  watch_works();
}

void StoreFollower::watch(Revision from) {
  WatchListener listener;
  listener.on_changes = [this](const std::vector<Change>& changes, Revision) {
    on_changes(changes);
  };
  listener.on_position_lost = [this] { position_lost(); };
  listener.on_disconnected = [this](const Error& error) {
    // One that breaks before its proof says nothing of the next: the store may be away.
    if (!proving_.armed()) watch_in_doubt_ = standing_.armed();
    // What the list lacks between its last changes has not come yet.
    if (doubts_list()) known_.clear();
    disconnected(error);
  };
  watch_ = store_.watch(from, std::move(listener));
}

void StoreFollower::on_changes(const std::vector<Change>& changes) {
  const std::vector<Change> fresh = proof_.take(changes);
  if (proof_.verdict() == Proof::refuted) return doubt(kOtherHistory);
  const bool proves = proving_.armed();
  if (proves && proof_.verdict() == Proof::open) return;
  learn(proves ? fresh : changes);
  if (proves) {
    resumed();
  } else if (is_proven() && (changes.empty() || !fresh.empty())) {
    watch_works();
  }
  count(fresh);
  if (kept_) return gather(fresh);
  if (!fresh.empty()) listener_.on_changes(fresh);
}

void StoreFollower::learn(const std::vector<Change>& changes) {
  if (!store_.repeats_history()) return;
  for (const Change& change : changes)
    known_.add(change);
}

void StoreFollower::resumed() {
  proving_.cancel();
  reporting_.arm_after(kAllReported);
  if (!comparison_.armed()) {
    const auto more = kComparisonForEachLease * static_cast<Duration::rep>(leases_);
    comparison_.arm_after(kSoonestComparison +
                          by_chance(std::min<Duration>(more, kLatestComparison)));
  }
  ++counters_.resumed;
  // What it repeats does not show that the watch works.
  standing_.arm_after(kStood);
  if (!watch_in_doubt_) come_back();
  listener_.on_resumed();
}

void StoreFollower::all_reported() {
  current_ = true;
  listener_.on_connection();
}

void StoreFollower::compare() {
  if (is_up_to_date()) list(true);
}

// A list that its watch refutes is followed by another one, whose watch has nothing to prove: a
// store that repeats nothing as it was must not be listed for ever.
void StoreFollower::doubt(const char* why) {
  ++counters_.refuted;
  const bool starts = kept_.has_value();
  kept_.reset();
  patience_.cancel();
  log::info("listing again", {{"store", store_.describe()}, {"why", why}});
  const bool was_listed = !proving_.armed();
  end_watch();
  known_.clear();
  if (starts) return list(true);
  if (!was_listed) return list_after(Duration::zero());
  wait_for(Next::believed_list, backoff_.next(random_));
}

bool StoreFollower::doubts_list() const {
  return standing_.armed() && !proving_.armed() && !is_proven();
}

bool StoreFollower::is_proven() const {
  return proof_.verdict() == Proof::proven;
}

// The store may have forgotten the beginning of what it should repeat, and still have the rest.
bool StoreFollower::watch_less() {
  const bool after_list = doubts_list();
  if (!proving_.armed() && !after_list) return false;
  known_.keep_last_half();
  if (!after_list && !known_.can_prove()) return false;
  next_ = after_list ? Next::watch_from_list : Next::resume;
  end_watch();
  retry_.arm(loop_.now());
  return true;
}

void StoreFollower::position_lost() {
  if (watch_less()) return;
  ++counters_.positions_lost;
  log::info("the store's history before now is gone, listing again",
            {{"store", store_.describe()}});
  const bool stood = !standing_.armed();
  end_watch();
  known_.clear();
  patience_.cancel();  // the store has answered
  if (kept_) return list(true);
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

void StoreFollower::end_watch() {
  standing_.cancel();
  proving_.cancel();
  reporting_.cancel();
  gathering_.cancel();
  watch_.reset();
}

Duration StoreFollower::by_chance(Duration longest) {
  const auto bound = static_cast<std::uint64_t>(longest.count()) + 1;
  return Duration(static_cast<Duration::rep>(random_(bound)));
}

void StoreFollower::wait_for(Next next, Duration pause) {
  current_ = false;
  next_ = next;
  const bool lists = next == Next::list || next == Next::believed_list;
  const Duration for_each = lists ? Duration(kSpreadForEachLease) : Duration(kSpreadForEachWatch);
  const auto leases = static_cast<Duration::rep>(leases_);
  retry_.arm_after(pause + by_chance(std::min<Duration>(for_each * leases, kLongestSpread)));
}

void StoreFollower::disconnected(const Error& error) {
  end_watch();
  const bool changed = connected_ || last_error_ != error.text;
  connected_ = false;
  last_error_ = error.text;
  wait_for(known_.can_prove() ? Next::resume : Next::list, backoff_.next(random_));
  if (changed) listener_.on_connection();
  offer_kept();
}

}  // namespace flannel
