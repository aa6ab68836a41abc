// SPDX-License-Identifier: Apache-2.0
// The part of LeaseKeeper that handles changes of our record by others.
#include <fmt/format.h>

#include <utility>

#include "core/lease_keeper.h"
#include "core/record_limits.h"

namespace flannel {
namespace {

// If another process leaves our record alone for so long, its next write counts as the first again.
constexpr auto kWriteBackResetAfter = std::chrono::minutes(5);

}  // namespace

std::vector<KeeperAct> LeaseKeeper::on_change(TimePoint now, const Change& change) {
  Acts acts;
  const auto* put = std::get_if<RecordPut>(&change);
  const auto* gone = std::get_if<RecordGone>(&change);
  if ((put == nullptr && gone == nullptr) || keeper::name_of(state_) == keeper::Name::idle) {
    return acts;
  }
  const std::string& key = put != nullptr ? put->record.key : gone->key;
  if (keeper::is_drained(keeper::name_of(state_))) {
    if (!concerns_drained(change)) return acts;
  } else if (target_ && key != encode_subnet_key(target_->lease.subnet)) {
    if (gone != nullptr) try_exchange_sooner(now);
    return acts;  // before the first choice any record may turn out to be ours
  }
  changes_.insert_or_assign(key, change);
  process_changes(now, acts);
  return acts;
}

void LeaseKeeper::on_other_store(bool has_lease) {
  other_store_ = true;
  changes_.clear();  // they are of the store of before
  if (!has_lease && alarm_ != Alarm::withdrawn) yields_ = true;
}

// Handles the changes of our record that the watch has reported. While a call is under way they
// wait, since the answer may explain them.
void LeaseKeeper::process_changes(TimePoint now, Acts& acts) {
  if (keeper::is_call(keeper::name_of(state_))) return;
  const auto changes = std::exchange(changes_, {});
  if (keeper::name_of(state_) == keeper::Name::drained && !changes.empty()) {
    return withdraw_again(now, acts);
  }
  const Record* record = own_record();
  if (record == nullptr) return;  // the next list shows the state of all records
  const auto own = changes.find(record->key);
  if (own == changes.end()) return;
  if (const auto* put = std::get_if<RecordPut>(&own->second)) on_own_put(now, put->record, acts);
  if (const auto* gone = std::get_if<RecordGone>(&own->second))
    on_own_gone(now, gone->revision, acts);
}

void LeaseKeeper::on_own_put(TimePoint now, const Record& record, Acts& acts) {
  Record& known = *own_record();
  const bool first_of_store = std::exchange(other_store_, false);
  if (record == known && !first_of_store) return;
  // Revisions are ordered here because the known one, of our last write or of an earlier report, is
  // usually of the same feed. If it is not, verify() finds out.
  if (record.revision < known.revision && !first_of_store) {
    const bool differs = record.value != known.value || record.expiry_handle != known.expiry_handle;
    if (differs) verify(now, acts);
    return;
  }
  // A record with the known revision and other content is taken as a later one: the store was
  // cleared or restored, and its revisions began anew.
  const auto attributes = decode_lease(record);
  if (is_contested(now, record)) {
    give_way(acts);
    list(acts);
    return;
  }
  if (attributes && !is_ours(lease_->subnet, *attributes)) {
    report_lost(fmt::format("taken by {}", to_string(attributes->public_ips())), acts);
    list(acts);
    return;
  }
  const bool other_handle = record.expiry_handle != known.expiry_handle;
  if (other_handle || first_of_store) life_is_known_ = false;
  known = record;
  set_target(lease_->subnet, &*lease_);
  if (target_->value != record.value) {
    write_back(now, acts);
  } else if (!record.expires()) {
    expires_ = kNever;
    on_confirmed(now, record, kNever, acts);
  } else if (other_handle || first_of_store) {
    refresh(now, acts);  // only a renewal shows how long it lives
  }
}

void LeaseKeeper::on_own_gone(TimePoint now, Revision revision, Acts& acts) {
  const bool first_of_store = std::exchange(other_store_, false);
  if (revision != 0 && revision < own_record()->revision && !first_of_store) {
    verify(now, acts);
    return;
  }
  report_lost("its record was removed", acts);
  list(acts);
}

// Handles an old change that contradicts the known state: the watch lags behind our own write, or
// the store went back to an earlier state. A renewal shows whether the record is still ours, and
// for a reservation only a list does.
void LeaseKeeper::verify(TimePoint now, Acts& acts) {
  if (own_record()->expires()) {
    refresh(now, acts);
    return;
  }
  list(acts);
}

// Handles a record of ours that another process wrote with our public IP. The first time it may be
// an operator. If it happens repeatedly there is a second host with our public IP, and the two
// hosts must not overwrite each other without pauses.
void LeaseKeeper::write_back(TimePoint now, Acts& acts) {
  if (!is_written_repeatedly(now)) {
    refresh(now, acts);
    return;
  }
  report({ErrorKind::conflict,
          fmt::format("another process keeps writing {}: is {} the public IP of two hosts?",
                      own_record()->key, to_string(public_ips_))},
         acts);
  *keeper::wake_at_in(state_) = now + write_back_pause_.next(random_);
}

bool LeaseKeeper::is_written_repeatedly(TimePoint now) {
  if (last_write_back_ && now - *last_write_back_ > kWriteBackResetAfter) {
    last_write_back_.reset();
    write_back_pause_.reset();
  }
  return std::exchange(last_write_back_, now).has_value();
}

}  // namespace flannel
