// SPDX-License-Identifier: Apache-2.0
#include "registry/memory/memory_store.h"

#include <algorithm>
#include <utility>

#include "core/record_limits.h"
#include "registry/store_keys.h"
#include "registry/watch_posts.h"

namespace flannel {
namespace {

// The number of changes that are kept, enough for every test and for a day of a small cluster.
constexpr std::size_t kHistoryKept = 10000;

Error unreachable() {
  return {ErrorKind::unavailable, "memory store: unreachable"};
}

}  // namespace

std::shared_ptr<MemoryStore> MemoryStore::process_wide() {
  static const auto store = std::make_shared<MemoryStore>();
  return store;
}

Revision MemoryStore::put(const std::string& prefix, const std::string& key,
                          const std::string& value, Ttl ttl, TimePoint now) {
  const std::lock_guard lock(mutex_);
  return store(networks_[prefix], prefix, Record{.key = key, .value = value}, ttl, now).revision;
}

void MemoryStore::remove(const std::string& prefix, const std::string& key) {
  const std::lock_guard lock(mutex_);
  if (networks_[prefix].records.contains(key)) drop(prefix, key);
}

void MemoryStore::put_config(const std::string& prefix, const std::string& text) {
  const std::lock_guard lock(mutex_);
  set_config(prefix, text);
}

void MemoryStore::remove_config(const std::string& prefix) {
  const std::lock_guard lock(mutex_);
  if (networks_[prefix].config) set_config(prefix, std::nullopt);
}

void MemoryStore::compact() {
  const std::lock_guard lock(mutex_);
  history_.clear();
  compacted_ = revision_;
}

void MemoryStore::lose_positions() {
  const std::lock_guard lock(mutex_);
  history_.clear();
  compacted_ = ++revision_;
  for (const auto& [token, watch] : std::exchange(watches_, {})) {
    post_position_lost(watch.sender, watch.listener);
  }
}

void MemoryStore::disconnect_watches() {
  const std::lock_guard lock(mutex_);
  disconnect_all();
}

void MemoryStore::set_reachable(bool reachable) {
  const std::lock_guard lock(mutex_);
  reachable_ = reachable;
  if (!reachable) disconnect_all();
}

void MemoryStore::fail_next(Error error) {
  const std::lock_guard lock(mutex_);
  failure_before_ = std::move(error);
}

void MemoryStore::lose_next_answer(Error error) {
  const std::lock_guard lock(mutex_);
  failure_after_ = std::move(error);
}

void MemoryStore::hold_answers() {
  const std::lock_guard lock(mutex_);
  if (!held_answers_) held_answers_.emplace();
}

void MemoryStore::release_answers() {
  const std::lock_guard lock(mutex_);
  const auto held = std::exchange(held_answers_, std::nullopt);
  if (!held) return;
  for (const auto& [sender, work] : *held)
    sender.post(work);
}

std::uint64_t MemoryStore::attach(LoopGate::Sender sender, Work moved) {
  const std::lock_guard lock(mutex_);
  attached_.emplace(next_token_, Attached{std::move(sender), std::move(moved)});
  return next_token_++;
}

void MemoryStore::detach(std::uint64_t token) {
  const std::lock_guard lock(mutex_);
  attached_.erase(token);
}

TimePoint MemoryStore::next_expiry() const {
  const std::lock_guard lock(mutex_);
  TimePoint next = kNever;
  for (const auto& [prefix, network] : networks_) {
    for (const auto& [key, entry] : network.records)
      next = std::min(next, entry.expires);
  }
  return next;
}

void MemoryStore::expire(TimePoint now) {
  const std::lock_guard lock(mutex_);
  for (auto& [prefix, network] : networks_) {
    std::vector<std::string> expired;
    for (const auto& [key, entry] : network.records) {
      if (entry.expires <= now) expired.push_back(key);
    }
    for (const std::string& key : expired)
      drop(prefix, key);
  }
}

std::optional<Error> MemoryStore::failure_before() {
  const std::lock_guard lock(mutex_);
  if (!reachable_) return unreachable();
  return std::exchange(failure_before_, std::nullopt);
}

std::optional<Error> MemoryStore::failure_after() {
  const std::lock_guard lock(mutex_);
  return std::exchange(failure_after_, std::nullopt);
}

void MemoryStore::answer(const LoopGate::Sender& sender, Work work) {
  const std::lock_guard lock(mutex_);
  if (held_answers_) {
    held_answers_->emplace_back(sender, std::move(work));
  } else {
    sender.post(std::move(work));
  }
}

Snapshot MemoryStore::snapshot(const std::string& prefix) const {
  const std::lock_guard lock(mutex_);
  Snapshot all{.revision = revision_, .config = {}, .records = {}};
  const auto found = networks_.find(prefix);
  if (found == networks_.end()) return all;
  all.config = found->second.config;
  for (const auto& [key, entry] : found->second.records)
    all.records.push_back(within_limits(entry.record));
  return all;
}

RemainingLives MemoryStore::remaining_lives(const std::string& prefix, TimePoint now) const {
  const std::lock_guard lock(mutex_);
  RemainingLives lives;
  const auto found = networks_.find(prefix);
  if (found == networks_.end()) return lives;
  for (const auto& [key, entry] : found->second.records) {
    if (!entry.ttl) continue;
    const Duration left = std::max(Duration::zero(), entry.expires - now);
    lives.left[key] = std::chrono::floor<std::chrono::seconds>(left);
    lives.granted[key] = *entry.ttl;
  }
  return lives;
}

std::uint64_t MemoryStore::watch(const std::string& prefix, Revision from, LoopGate::Sender sender,
                                 std::weak_ptr<WatchListener> listener) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t token = next_token_++;
  Watch watch{prefix, std::move(sender), std::move(listener)};
  if (!reachable_) {
    post_disconnected(watch.sender, watch.listener, unreachable());
    return token;
  }
  if (from < compacted_ || from > revision_) {
    post_position_lost(watch.sender, watch.listener);
    return token;
  }
  for (const Event& event : history_) {
    if (event.revision > from && event.prefix == prefix) {
      send_changes(watch, event.change, event.revision);
    }
  }
  watches_.emplace(token, std::move(watch));
  return token;
}

void MemoryStore::end_watch(std::uint64_t token) {
  const std::lock_guard lock(mutex_);
  watches_.erase(token);
}

Result<WriteResult> MemoryStore::create(const std::string& prefix, const std::string& key,
                                        std::string value, Ttl ttl, TimePoint now) {
  const std::lock_guard lock(mutex_);
  Network& network = networks_[prefix];
  if (network.records.contains(key)) {
    return fail(ErrorKind::exists, "create " + key + ": there already");
  }
  return store(network, prefix, Record{.key = key, .value = std::move(value)}, ttl, now);
}

Result<WriteResult> MemoryStore::replace(const std::string& prefix, const Record& seen,
                                         std::string value, Ttl ttl, TimePoint now) {
  const std::lock_guard lock(mutex_);
  const Entry* entry = TRY_DURING(unchanged(prefix, seen), "replace " + seen.key);
  const ExpiryHandle handle = entry->record.expiry_handle;
  return store(networks_[prefix], prefix,
               Record{.key = seen.key, .value = std::move(value), .expiry_handle = handle}, ttl,
               now);
}

Result<WriteResult> MemoryStore::renew(const std::string& prefix, const Record& seen, Ttl ttl,
                                       TimePoint now) {
  const std::lock_guard lock(mutex_);
  Entry* entry = TRY_DURING(unchanged(prefix, seen), "renew " + seen.key);
  if (entry->ttl) {  // a reservation has nothing to extend
    if (ttl) entry->ttl = ttl;
    entry->expires = now + *entry->ttl;
    expiry_moved();
  }
  return WriteResult{entry->record.revision, entry->record.expiry_handle, entry->ttl};
}

Result<void> MemoryStore::release(const std::string& prefix, const Record& seen) {
  const std::lock_guard lock(mutex_);
  TRY_DURING(unchanged(prefix, seen), "release " + seen.key);
  drop(prefix, seen.key);
  return {};
}

Result<Revision> MemoryStore::write_config(const std::string& prefix, std::string text,
                                           Revision seen) {
  const std::lock_guard lock(mutex_);
  const auto& config = networks_[prefix].config;
  if ((config ? config->revision : 0) != seen) {
    return fail(ErrorKind::conflict, "write the configuration: changed since it was read");
  }
  set_config(prefix, std::move(text));
  return revision_;
}

Result<void> MemoryStore::remove_config(const std::string& prefix, Revision seen) {
  const std::lock_guard lock(mutex_);
  const auto& config = networks_[prefix].config;
  if (!config || config->revision != seen) {
    return fail(ErrorKind::conflict, "delete the configuration: changed since it was read");
  }
  set_config(prefix, std::nullopt);
  return {};
}

NetworkList MemoryStore::networks(const std::string& prefix) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> keys;
  for (const auto& [other, network] : networks_) {
    if (network.config) keys.push_back(StoreKeys(other).config);
  }
  return StoreKeys(prefix).networks_of(keys);
}

WriteResult MemoryStore::store(Network& network, const std::string& prefix, Record record, Ttl ttl,
                               TimePoint now) {
  record.revision = ++revision_;
  const auto before = network.records.find(record.key);
  record.created =
      before == network.records.end() ? record.revision : before->second.record.created;
  if (!ttl) {
    record.expiry_handle.clear();
  } else if (!record.expires()) {
    record.expiry_handle = std::to_string(next_handle_++);
  }
  const WriteResult held{record.revision, record.expiry_handle, ttl};
  network.records[record.key] = Entry{record, ttl, ttl ? now + *ttl : kNever};
  publish(prefix, RecordPut{within_limits(std::move(record))});
  expiry_moved();
  return held;
}

Result<MemoryStore::Entry*> MemoryStore::unchanged(const std::string& prefix, const Record& seen) {
  Network& network = networks_[prefix];
  const auto found = network.records.find(seen.key);
  if (found == network.records.end()) return fail(ErrorKind::conflict, "it is gone");
  const Record& there = found->second.record;
  const bool same_value = seen.left_out > 0 || there.value == seen.value;
  if (there.revision != seen.revision || !same_value) {
    return fail(ErrorKind::conflict, "changed since it was read");
  }
  return &found->second;
}

void MemoryStore::drop(const std::string& prefix, const std::string& key) {
  networks_[prefix].records.erase(key);
  ++revision_;
  publish(prefix, RecordGone{key_within_limits(key), revision_});
}

void MemoryStore::set_config(const std::string& prefix, std::optional<std::string> text) {
  ++revision_;
  auto& config = networks_[prefix].config;
  if (text) {
    config = ConfigRecord{*std::move(text), revision_};
    publish(prefix, ConfigPut{*config});
  } else {
    config.reset();
    publish(prefix, ConfigGone{revision_});
  }
}

void MemoryStore::publish(const std::string& prefix, Change change) {
  for (const auto& [token, watch] : watches_) {
    if (watch.prefix == prefix) send_changes(watch, change, revision_);
  }
  history_.push_back(Event{prefix, std::move(change), revision_});
  if (history_.size() > kHistoryKept) {
    compacted_ = history_.front().revision;
    history_.pop_front();
  }
}

void MemoryStore::send_changes(const Watch& watch, const Change& change, Revision revision) const {
  post_to_listener(watch.sender, watch.listener,
                   [changes = std::vector{change}, revision](WatchListener& listener) {
                     listener.on_changes(changes, revision);
                   });
}

void MemoryStore::disconnect_all() {
  for (const auto& [token, watch] : std::exchange(watches_, {})) {
    post_disconnected(watch.sender, watch.listener, unreachable());
  }
}

void MemoryStore::expiry_moved() {
  for (const auto& [token, client] : attached_)
    client.sender.post(client.expiry_moved);
}

}  // namespace flannel
