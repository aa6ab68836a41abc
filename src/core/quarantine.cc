// SPDX-License-Identifier: Apache-2.0
#include "core/quarantine.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace flannel {
namespace {

std::uint64_t hash_of(const std::string& key) {
  return std::hash<std::string>{}(key);
}

}  // namespace

void Quarantine::put(QuarantinedRecord record) {
  const auto before = named_.find(record.key);
  if (before != named_.end() && before->second == record) return;
  auto listed_before = listed_before_.extract(record.key);
  if (listed_before) --count_of(listed_before.mapped().kind);
  erase(record.key);
  ++version_;
  if (count_of(record.kind) >= most_named_) {
    unnamed_.insert(hash_of(record.key));
    return;
  }
  ++count_of(record.kind);
  named_.insert_or_assign(record.key, std::move(record));
}

bool Quarantine::has(QuarantineKind kind) const {
  return std::ranges::any_of(named_,
                             [kind](const auto& entry) { return entry.second.kind == kind; });
}

void Quarantine::erase(const std::string& key) {
  if (const auto record = named_.find(key); record != named_.end()) {
    ++version_;
    --count_of(record->second.kind);
    named_.erase(record);
  } else if (unnamed_.erase(hash_of(key)) > 0) {
    ++version_;
  }
}

void Quarantine::erase(const SubnetKey& lease) {
  if (named_.empty() && unnamed_.empty()) return;
  erase(encode_subnet_key(lease));
}

void Quarantine::begin_list() {
  ++version_;
  unnamed_.clear();
  listed_before_ = std::exchange(named_, {});
}

void Quarantine::end_list() {
  for (const auto& [key, record] : listed_before_)
    --count_of(record.kind);
  listed_before_.clear();
}

}  // namespace flannel
