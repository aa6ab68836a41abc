// SPDX-License-Identifier: Apache-2.0
// The part of LeaseKeeper that withdraws the records of a host that is drained.
#include <algorithm>

#include "core/lease_keeper.h"
#include "core/record_limits.h"

namespace flannel {

std::vector<KeeperAct> LeaseKeeper::drain(TimePoint) {
  Acts acts;
  const keeper::Name name = keeper::name_of(state_);
  if (keeper::is_drained(name)) return acts;
  const bool begins = name == keeper::Name::idle;
  if (begins) hold_previous_subnets();
  alarm_ = Alarm::withdrawn;
  if (keeper::is_call(name)) {
    enter(keeper::Leaving{});
  } else {
    survey(acts, begins);
  }
  return acts;
}

std::vector<KeeperAct> LeaseKeeper::undrain(TimePoint) {
  Acts acts;
  const keeper::Name name = keeper::name_of(state_);
  if (!keeper::is_drained(name)) return acts;
  if (keeper::is_call(name)) {
    enter(keeper::Returning{});
  } else {
    list(acts);
  }
  return acts;
}

// A host that starts drained may have containers in the subnets of its earlier run. It then reports
// another host that has one of them, in place of choosing other subnets.
void LeaseKeeper::hold_previous_subnets() {
  if (lease_ || options_.only || !previous_ || !can_be_kept(config_, *previous_)) return;
  lease_ = Lease{*previous_, announce_(nullptr)};
  lease_->attributes.node = options_.node;
}

// Handles an answer that came after drain() or undrain() to a call of before it: nothing of it is
// used but that the call is over.
bool LeaseKeeper::answers_earlier_call(Acts& acts) {
  const keeper::Name name = keeper::name_of(state_);
  if (name == keeper::Name::leaving) survey(acts);
  if (name == keeper::Name::returning) list(acts);
  return name == keeper::Name::leaving || name == keeper::Name::returning;
}

void LeaseKeeper::survey(Acts& acts, bool begins) {
  changes_.clear();
  enter(keeper::Surveying{.begins = begins});
  acts.emplace_back(TakeSnapshot{});
}

// Deletes the first lease of ours. The survey after the deletion shows the next one, or that there
// is none.
void LeaseKeeper::on_survey(TimePoint now, const Snapshot& snapshot, Acts& acts) {
  std::optional<std::string> reservation;
  const bool begins = std::get<keeper::Surveying>(state_).begins;
  for (const Record& record : snapshot.records) {
    if (!is_record_of_ours(record)) continue;
    if (begins) announce_as_in(record);
    if (!record.expires()) {
      reservation = record.key;
      continue;
    }
    // A host that has lost subnet.env, too, takes the same subnets again if they are free then.
    if (!lease_ && !previous_) previous_ = *decode_subnet_key(record.key);
    enter(keeper::Withdrawing{record});
    acts.emplace_back(ReleaseRecord{record});
    return;
  }
  enter(keeper::Drained{reservation});
  expires_ = kNever;
  backoff_.reset();
  refusals_ = 0;
  acts.emplace_back(ReportDrained{std::move(reservation)});
  process_changes(now, acts);
}

// Peers send to the VTEP MAC of our record until they learn that it is gone, and to that of a
// reservation for as long as it stays. A run that begins drained after a boot has no device yet.
void LeaseKeeper::announce_as_in(const Record& record) {
  const Lease recorded{*decode_subnet_key(record.key), *decode_lease(record)};
  if (!lease_ || lease_->subnet != recorded.subnet) return;
  lease_->attributes = announce_(&recorded);
  lease_->attributes.node = options_.node;
}

bool LeaseKeeper::is_record_of_ours(const Record& record) const {
  const auto subnet = decode_subnet_key(record.key);
  const auto attributes = decode_lease(record);
  return subnet && attributes && is_ours(*subnet, *attributes);
}

// Withdraws a record that has come back. A call of before may have taken effect late, but if it
// happens repeatedly another process writes the record, and it is not deleted without pauses.
void LeaseKeeper::withdraw_again(TimePoint now, Acts& acts) {
  if (!is_written_repeatedly(now)) return survey(acts);
  enter(keeper::WithdrawPaused{now + write_back_pause_.next(random_)});
}

// A call of before may take effect after all, and an operator may reserve a subnet for us, or give
// it up.
bool LeaseKeeper::concerns_drained(const Change& change) const {
  if (const auto* put = std::get_if<RecordPut>(&change)) return is_record_of_ours(put->record);
  const auto* drained = std::get_if<keeper::Drained>(&state_);
  const auto* gone = std::get_if<RecordGone>(&change);
  return drained != nullptr && gone != nullptr && drained->reservation == gone->key;
}

}  // namespace flannel
