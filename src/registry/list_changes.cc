// SPDX-License-Identifier: Apache-2.0
#include "registry/list_changes.h"

#include <algorithm>
#include <utility>

#include "core/known_history.h"

namespace flannel {
namespace {

void compare_records(const Snapshot& before, const Snapshot& after, ListChanges& result) {
  auto old = before.records.begin();
  for (const Record& record : after.records) {
    for (; old != before.records.end() && old->key < record.key; ++old)
      result.gone.push_back(old->key);
    const bool known = old != before.records.end() && old->key == record.key;
    if (!known || *old != record) result.changes.emplace_back(RecordPut{record});
    if (known) ++old;
  }
  for (; old != before.records.end(); ++old)
    result.gone.push_back(old->key);
}

}  // namespace

ListChanges changes_between(const Snapshot& before, const Snapshot& after) {
  ListChanges result;
  if (after.config && after.config != before.config) {
    result.changes.emplace_back(ConfigPut{*after.config});
  }
  compare_records(before, after, result);
  std::ranges::stable_sort(result.changes, {}, revision_of);
  result.from_the_past =
      !result.changes.empty() && revision_of(result.changes.front()) <= before.revision;
  result.config_gone = before.config && !after.config;
  if (result.config_gone) result.changes.emplace_back(ConfigGone{after.revision});
  for (const std::string& key : result.gone)
    result.changes.emplace_back(RecordGone{key, after.revision});
  return result;
}

}  // namespace flannel
