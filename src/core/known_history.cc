// SPDX-License-Identifier: Apache-2.0
#include "core/known_history.h"

#include <algorithm>
#include <utility>

namespace flannel {
namespace {

// "/" of the configuration, which is no key of a record.
const std::string& key_of(const Change& change) {
  static const std::string config = "/";
  if (const auto* put = std::get_if<RecordPut>(&change)) return put->record.key;
  const auto* gone = std::get_if<RecordGone>(&change);
  return gone != nullptr ? gone->key : config;
}

bool is_of_config(const Change& change) {
  return std::holds_alternative<ConfigPut>(change) || std::holds_alternative<ConfigGone>(change);
}

bool is_put(const Change& change) {
  return std::holds_alternative<RecordPut>(change) || std::holds_alternative<ConfigPut>(change);
}

// Not every store says how old the record of a change is.
bool is_same(const Record& one, const Record& other, bool with_expiry) {
  const bool same_age = one.created == 0 || other.created == 0 || one.created == other.created;
  const bool same_expiry = !with_expiry || one.expiry_handle == other.expiry_handle;
  return one.key == other.key && one.value == other.value && one.revision == other.revision &&
         one.left_out == other.left_out && same_age && same_expiry;
}

bool is_same(const Change& one, const Change& other, bool with_expiry) {
  if (one.index() != other.index() || revision_of(one) != revision_of(other)) return false;
  if (const auto* put = std::get_if<RecordPut>(&one))
    return is_same(put->record, std::get<RecordPut>(other).record, with_expiry);
  if (const auto* put = std::get_if<ConfigPut>(&one))
    return put->config == std::get<ConfigPut>(other).config;
  return key_of(one) == key_of(other);
}

}  // namespace

Revision revision_of(const Change& change) {
  if (const auto* put = std::get_if<RecordPut>(&change)) return put->record.revision;
  if (const auto* gone = std::get_if<RecordGone>(&change)) return gone->revision;
  if (const auto* put = std::get_if<ConfigPut>(&change)) return put->config.revision;
  return std::get<ConfigGone>(change).revision;
}

void apply(const std::vector<Change>& changes, Snapshot& snapshot) {
  std::vector<Record>& records = snapshot.records;
  for (const Change& change : changes) {
    snapshot.revision = std::max(snapshot.revision, revision_of(change));
    if (const auto* config = std::get_if<ConfigPut>(&change)) snapshot.config = config->config;
    if (std::holds_alternative<ConfigGone>(change)) snapshot.config.reset();
    const auto* put = std::get_if<RecordPut>(&change);
    const auto* gone = std::get_if<RecordGone>(&change);
    if (put == nullptr && gone == nullptr) continue;
    const auto place = std::ranges::lower_bound(records, key_of(change), {}, &Record::key);
    const bool is_there = place != records.end() && place->key == key_of(change);
    if (gone != nullptr && is_there) records.erase(place);
    if (put != nullptr && is_there) *place = put->record;
    if (put != nullptr && !is_there) records.insert(place, put->record);
  }
}

void KnownHistory::begin(const Snapshot& listed) {
  clear();
  std::set<Revision> last;
  const auto keep_last = [&last](Revision revision) {
    last.insert(revision);
    if (last.size() > kMostRevisions) last.erase(last.begin());
  };
  if (listed.config) keep_last(listed.config->revision);
  for (const Record& record : listed.records)
    keep_last(record.revision);
  if (listed.config && last.contains(listed.config->revision)) add(ConfigPut{*listed.config});
  for (const Record& record : listed.records) {
    if (last.contains(record.revision)) changes_[record.revision].emplace_back(RecordPut{record});
  }
  trim();
}

void KnownHistory::add(const Change& change) {
  const Revision at = revision_of(change);
  if (!empty() && at < changes_.begin()->first) return;
  std::vector<Change>& there = changes_[at];
  const auto before = std::ranges::find(there, key_of(change), key_of);
  if (before != there.end()) {
    *before = change;
  } else {
    there.push_back(change);
  }
  trim();
}

void KnownHistory::keep_last_half() {
  const auto older = static_cast<std::ptrdiff_t>(changes_.size() - changes_.size() / 2);
  changes_.erase(changes_.begin(), std::next(changes_.begin(), older));
}

std::vector<Change> KnownHistory::changes() const {
  std::vector<Change> all;
  for (const auto& [at, changes] : changes_)
    all.insert(all.end(), changes.begin(), changes.end());
  return all;
}

void KnownHistory::trim() {
  std::size_t all = 0;
  for (const auto& [at, changes] : changes_)
    all += changes.size();
  while (changes_.size() > kMostRevisions || all > kMostChanges) {
    all -= changes_.begin()->second.size();
    changes_.erase(changes_.begin());
  }
}

HistoryProof HistoryProof::after_list(const KnownHistory& known, Revision listed) {
  HistoryProof proof = after_break(known);
  proof.listed_ = listed;
  return proof;
}

HistoryProof HistoryProof::after_break(const KnownHistory& known) {
  HistoryProof proof;
  for (Change& change : known.changes()) {
    proof.last_ = std::max(proof.last_, revision_of(change));
    proof.known_.push_back({std::move(change)});
  }
  return proof;
}

std::vector<Change> HistoryProof::take(const std::vector<Change>& changes) {
  for (const Change& change : changes) {
    refuted_ = refuted_ || passes_over(change);
    if (!repeats(change)) take_unknown(change);
  }
  if (refuted_) held_.clear();
  const bool waits = verdict() == Verdict::open && listed_ == 0;
  return waits ? std::vector<Change>() : std::exchange(held_, {});
}

// Changes of records are reported in their order, and so are those of the configuration, which etcd
// reports by a stream of its own.
bool HistoryProof::passes_over(const Change& change) const {
  return !stood_ && std::ranges::any_of(known_, [&](const Known& known) {
    return !known.repeated && is_of_config(known.change) == is_of_config(change) &&
           revision_of(known.change) < revision_of(change);
  });
}

void HistoryProof::take_unknown(const Change& change) {
  const Revision at = revision_of(change);
  if (at > std::max(last_, listed_)) {
    refuted_ = refuted_ || !lacking_.empty();
    held_.push_back(change);
  } else if (listed_ == 0) {
    refuted_ = true;
  } else if (is_put(change)) {
    lacking_.insert(key_of(change));
  } else {
    lacking_.erase(key_of(change));
  }
}

bool HistoryProof::repeats(const Change& change) {
  const auto same = std::ranges::find_if(
      known_, [&](const Known& known) { return is_same(known.change, change, listed_ == 0); });
  if (same == known_.end()) return false;
  same->repeated = true;
  lacking_.erase(key_of(change));
  return true;
}

void HistoryProof::stood() {
  refuted_ = refuted_ || !lacking_.empty();
  stood_ = true;
}

HistoryProof::Verdict HistoryProof::verdict() const {
  if (refuted_) return Verdict::refuted;
  const bool all_repeated = std::ranges::all_of(known_, &Known::repeated) && lacking_.empty();
  return stood_ || all_repeated ? Verdict::proven : Verdict::open;
}

}  // namespace flannel
