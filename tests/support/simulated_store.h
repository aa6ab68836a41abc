// SPDX-License-Identifier: Apache-2.0
// A store of lease records that behaves as Registry requires, without callbacks or threads.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "core/registry.h"

namespace flannel {

class SimulatedStore {
 public:
  TimePoint now{};
  std::map<std::string, Record> records;
  std::vector<Change> log;  // every change so far
  std::string hidden;       // a key that cannot be created, although no list has it

  Snapshot snapshot() const {
    Snapshot all;
    all.revision = revision_;
    for (const auto& [key, record] : records)
      all.records.push_back(record);
    return all;
  }
  Result<WriteResult> create(const std::string& key, const std::string& value, Ttl ttl) {
    if (records.contains(key) || key == hidden) return fail(ErrorKind::exists, key + " exists");
    return put(key, value, ttl);
  }
  Result<WriteResult> replace(const Record& seen, const std::string& value, Ttl ttl) {
    if (!is_current(seen)) return changed(seen);
    return put(seen.key, value, ttl, ttl ? records[seen.key].expiry_handle : ExpiryHandle());
  }
  Result<WriteResult> renew(const Record& seen, Ttl ttl) {
    if (!is_current(seen)) return changed(seen);
    ends_[seen.key] = now + *ttl;
    return WriteResult{seen.revision, seen.expiry_handle, ttl};
  }
  Result<void> release(const Record& seen) {
    if (!is_current(seen)) return tl::unexpected(changed(seen).value());
    remove(seen.key);
    return {};
  }
  // Without any condition and, unless one is given, under a new expiry handle: as an operator or an
  // old release writes.
  WriteResult put(const std::string& key, const std::string& value, Ttl ttl,
                  ExpiryHandle handle = {}) {
    if (ttl && handle.empty()) handle = std::to_string(++handles_);
    const Revision at = ++revision_;
    const auto before = records.find(key);
    const Record record{key, value, at, handle,
                        before == records.end() ? at : before->second.created};
    records[key] = record;
    ends_[key] = ttl ? now + *ttl : kNever;
    log.emplace_back(RecordPut{record});
    return {record.revision, record.expiry_handle, ttl};
  }
  void remove(const std::string& key) {
    ends_.erase(key);
    if (records.erase(key) != 0) log.emplace_back(RecordGone{key, ++revision_});
  }
  void pass(Duration time) {
    now += time;
    for (const auto& [key, end] : std::map(ends_)) {
      if (end <= now) remove(key);
    }
  }

 private:
  bool is_current(const Record& seen) const {
    const auto found = records.find(seen.key);
    return found != records.end() && found->second.revision == seen.revision;
  }
  static Failure changed(const Record& seen) {
    return fail(ErrorKind::conflict, seen.key + " was changed by another writer");
  }

  Revision revision_ = 0;
  std::int64_t handles_ = 0;
  std::map<std::string, TimePoint> ends_;
};

}  // namespace flannel
