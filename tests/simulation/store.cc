// SPDX-License-Identifier: Apache-2.0
#include "simulation/store.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/lease.h"
#include "core/move_notes.h"

namespace flannel::simulation {

const Snapshot& Store::snapshot() const {
  if (listed_ && listed_->revision == revision_) return *listed_;
  listed_ = Snapshot{.revision = revision_, .config = config_, .records = {}};
  listed_->records.reserve(records_.size());
  for (const auto& [key, entry] : records_)
    listed_->records.push_back(entry.record);
  return *listed_;
}

RemainingLives Store::remaining_lives() const {
  RemainingLives lives;
  for (const auto& [key, entry] : records_) {
    if (!entry.ttl) continue;
    lives.left[key] = std::chrono::floor<std::chrono::seconds>(entry.expires - timeline_.now());
    lives.granted[key] = *entry.ttl;
  }
  return lives;
}

Result<WriteResult> Store::create(const Writer& who, const std::string& key, std::string value,
                                  Ttl ttl) {
  if (records_.contains(key)) return fail(ErrorKind::exists, "create " + key + ": there already");
  know(who, key, value);
  return write(key, std::move(value), ttl, {});
}

Result<WriteResult> Store::replace(const Writer& who, const Record& seen, std::string value,
                                   Ttl ttl) {
  const Entry* entry = TRY_DURING(unchanged(seen), "replace " + seen.key);
  judge_writer(who, *entry, "wrote over");
  if (owner_of(entry->record.value) == who.first_ip) owner_ends(seen.key, true);
  know(who, seen.key, value);
  return write(seen.key, std::move(value), ttl, ttl ? entry->record.expiry_handle : ExpiryHandle());
}

Result<WriteResult> Store::check(const Record& seen) const {
  const Entry* entry = TRY_DURING(unchanged(seen), "renew " + seen.key);
  return WriteResult{entry->record.revision, entry->record.expiry_handle, entry->ttl};
}

// A keep-alive: it knows the expiry handle, not the record.
Result<WriteResult> Store::extend(const Writer& who, const Record& seen, Ttl ttl) {
  const auto found = records_.find(seen.key);
  if (found == records_.end() || found->second.record.expiry_handle != seen.expiry_handle) {
    return fail(ErrorKind::conflict, "renew " + seen.key + ": it has expired");
  }
  if (found->second.record.revision == seen.revision) {
    judge_writer(who, found->second, "renewed");
  }
  Entry& entry = found->second;
  if (ttl) entry.ttl = ttl;
  entry.expires = timeline_.now() + *entry.ttl;
  watch_expiry(seen.key, entry.expires);
  return WriteResult{seen.revision, seen.expiry_handle, entry.ttl};
}

Result<void> Store::release(const Writer& who, const Record& seen) {
  const Entry* entry = TRY_DURING(unchanged(seen), "release " + seen.key);
  judge_writer(who, *entry, "released");
  drop(seen.key);
  return {};
}

std::optional<std::uint64_t> Store::watch(std::uint64_t name, Revision from,
                                          const OnChange& on_change) {
  if (name != name_ || from + 1 < compacted_ || from > revision_) return std::nullopt;
  for (const Event& event : history_) {
    if (event.revision > from) on_change(event.batch, event.revision);
  }
  watches_.emplace(next_watch_, on_change);
  return next_watch_++;
}

void Store::put(const std::string& key, const std::string& value, Ttl ttl) {
  write(key, value, ttl, {});
  fates_.rob(key, revision_);
}

void Store::remove(const std::string& key) {
  if (!records_.contains(key)) return;
  drop(key);
  fates_.rob(key, revision_);
}

void Store::set_config(std::optional<std::string> text) {
  if (!text && !config_) return;
  ++revision_;
  configured_at_ = timeline_.now();
  if (text) {
    config_ = ConfigRecord{*std::move(text), revision_};
    publish(ConfigPut{*config_});
  } else {
    config_.reset();
    publish(ConfigGone{revision_});
  }
}

// What was written at that very revision stays, as in etcd.
void Store::compact() {
  compacted_ = revision_;
  std::erase_if(history_, [&](const Event& event) {
    const auto* put = std::get_if<RecordPut>(&event.batch->front());
    return event.revision < compacted_ || put == nullptr;
  });
}

void Store::forget_history() {
  while (history_.size() > 200) {
    compacted_ = history_.front().revision + 1;
    history_.pop_front();
  }
}

void Store::extend_all() {
  for (auto& [key, entry] : records_) {
    if (!entry.ttl) continue;
    entry.expires = timeline_.now() + *entry.ttl;
    watch_expiry(key, entry.expires);
  }
}

void Store::back_up() {
  backup_ = Kept{records_, config_, revision_, compacted_, history_};
}

bool Store::restore(bool renamed) {
  if (!backup_) return false;
  all_robbed();
  listed_.reset();
  if (renamed) ++name_;
  records_ = backup_->records;
  config_ = backup_->config;
  configured_at_ = timeline_.now();
  revision_ = backup_->revision;
  compacted_ = backup_->compacted;
  history_ = backup_->history;
  watches_.clear();
  extend_all();
  for (const auto& [key, entry] : records_) {
    owner_begins(entry.record);
  }
  return true;
}

void Store::wipe(bool renamed) {
  all_robbed();
  listed_.reset();
  if (renamed) ++name_;
  records_.clear();
  config_.reset();
  backup_.reset();
  revision_ = compacted_ = 1;
  history_.clear();
  watches_.clear();
}

const Record* Store::find(const std::string& key) const {
  const auto found = records_.find(key);
  return found == records_.end() ? nullptr : &found->second.record;
}

bool Store::gave_cause_to_drop(const IpPrefix& subnet, IpAddress first_ip, Revision known) const {
  return known <= back_in_time_ || fates_.gave_cause_to_drop(subnet, first_ip, known);
}

bool Store::lives_elsewhere(const IpPrefix& subnet, IpAddress first_ip) const {
  return std::any_of(records_.begin(), records_.end(), [&](const auto& entry) {
    const auto key = decode_subnet_key(entry.first);
    return key && key->at(subnet.family()) != subnet &&
           owner_of(entry.second.record.value) == first_ip;
  });
}

bool Store::has_written_elsewhere(const IpPrefix& subnet, IpAddress first_ip,
                                  TimePoint since) const {
  const auto of_host = written_at_.find(first_ip);
  if (of_host == written_at_.end()) return false;
  return std::ranges::any_of(of_host->second, [&](const auto& written) {
    const auto key = decode_subnet_key(written.first);
    return written.second >= since && key && key->at(subnet.family()) != subnet;
  });
}

WriteResult Store::write(const std::string& key, std::string value, Ttl ttl, ExpiryHandle handle) {
  if (!ttl) handle.clear();
  if (ttl && handle.empty()) handle = std::to_string(++handles_);
  owner_ends(key);
  const auto before = records_.find(key);
  const Revision created = before == records_.end() ? revision_ + 1 : before->second.record.created;
  const Record record{key, std::move(value), ++revision_, std::move(handle), created};
  const TimePoint expires = ttl ? timeline_.now() + *ttl : kNever;
  records_[key] = Entry{record, ttl, expires};
  owner_begins(record);
  if (ttl) watch_expiry(key, expires);
  publish(RecordPut{record});
  return {record.revision, record.expiry_handle, ttl};
}

void Store::drop(const std::string& key) {
  owner_ends(key);
  records_.erase(key);
  fates_.erase(key, ++revision_);
  publish(RecordGone{key, revision_});
}

void Store::owner_begins(const Record& record) {
  const IpAddress owner = owner_of(record.value);
  const auto says = decode_lease_value(record.value);
  const bool has_node = says && says->node;
  claims_.begin(timeline_.now(), record, has_node ? owner : kStranger);
  fates_.put(record, owner, !has_node);
}

void Store::owner_ends(const std::string& key, bool by_itself) {
  claims_.end(timeline_.now(), key, by_itself);
}

void Store::all_robbed() {
  highest_ = std::max(highest_, revision_);
  back_in_time_ = std::max(back_in_time_, revision_ + 1'000'000);
  for (const auto& [key, entry] : records_)
    owner_ends(key);
  fates_.clear(revision_);
  fates_.rob_all();
}

void Store::publish(Change change) {
  auto batch = std::make_shared<const std::vector<Change>>(1, std::move(change));
  history_.push_back({batch, revision_});
  for (const auto& [number, on_change] : watches_)
    on_change(batch, revision_);
}

Result<const Store::Entry*> Store::unchanged(const Record& seen) const {
  const auto found = records_.find(seen.key);
  if (found == records_.end()) return fail(ErrorKind::conflict, "it is gone");
  const Record& there = found->second.record;
  if (there.revision != seen.revision || there.value != seen.value) {
    return fail(ErrorKind::conflict, "changed since it was read");
  }
  return &found->second;
}

void Store::know(const Writer& who, const std::string& key, const std::string& value) {
  written_at_[who.first_ip][key] = timeline_.now();
  const auto says = decode_lease_value(value);
  if (!says || !says->node) return;
  if (!writers_.contains(*says->node)) renamed_at_[who.first_ip] = timeline_.now();
  writers_[*says->node] = who.first_ip;
}

TimePoint Store::renamed_at(IpAddress first_ip) const {
  const auto found = renamed_at_.find(first_ip);
  return found == renamed_at_.end() ? TimePoint() : found->second;
}

IpAddress Store::owner_of(const LeaseAttributes& attributes) const {
  const IpAddress name = name_of(attributes);
  if (!attributes.node) return first_address(name);
  const auto writer = writers_.find(*attributes.node);
  if (writer != writers_.end()) return writer->second;
  return IpPrefix::of(kStranger, 24).contains(name) ? name : kStranger;
}

// 0.0.0.0 of what is no lease.
IpAddress Store::owner_of(const std::string& value) const {
  const auto attributes = decode_lease_value(value);
  return attributes ? owner_of(*attributes) : IpAddress{};
}

// Nobody touches a record that says it is another host's. Who has its address cannot always know.
void Store::judge_writer(const Writer& who, const Entry& entry, const char* deed) {
  const auto says = decode_lease_value(entry.record.value);
  if (!says || says->public_ips().shared_with(who.ips)) return;
  if (has_copy_mark(entry.record.value)) return;  // another store knows whose it is
  const IpAddress owner = owner_of(*says);
  if (owner == who.first_ip) return;
  violation_(fmt::format("h{} {} the record of {} on {}", who.host, deed, to_string(owner),
                         entry.record.key));
}

void Store::watch_expiry(const std::string& key, TimePoint when) {
  timeline_.at(when, [this, key, when] {
    const auto found = records_.find(key);
    if (found == records_.end() || found->second.expires != when) return;
    on_expired(found->second.record);
    drop(key);
  });
}

}  // namespace flannel::simulation
