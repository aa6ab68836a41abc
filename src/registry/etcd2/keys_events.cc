// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd2/keys_events.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/parse.h"
#include "core/record_limits.h"
#include "http/target.h"

namespace flannel {
namespace {

Record record_of(const KeysNode& node, std::string_view key) {
  return within_limits({std::string(key), node.value, node.modified,
                        node.expires ? kExpiresByTtl : ExpiryHandle(), node.created});
}

// A directory below `subnets` that lies deeper than kMostParts is one record and no lease, whatever
// its content. Returns its name with a slash, or nullopt if `key` is not so deep.
std::optional<std::string> directory_of(std::string_view key, bool dir, const StoreKeys& keys) {
  const auto below = keys.below_subnets(key);
  if (!below) return std::nullopt;
  std::size_t end = 0;
  for (int part = 1; part <= kMostParts; ++part) {
    end = below->find('/', part == 1 ? 0 : end + 1);
    if (end != std::string_view::npos) continue;
    if (part < kMostParts || !dir) return std::nullopt;
  }
  return std::string(below->substr(0, end)) + "/";
}

Record directory_record(std::string name, Revision modified) {
  return {.key = std::move(name), .value = "", .revision = modified};
}

void collect(const KeysNode& node, const StoreKeys& keys, Snapshot& all) {
  if (auto directory = directory_of(node.key, node.dir, keys)) {
    all.records.push_back(directory_record(*std::move(directory), node.modified));
  } else if (node.dir) {
    for (const KeysNode& one : node.nodes)
      collect(one, keys, all);
  } else if (node.key == keys.config) {
    all.config = ConfigRecord{node.value, node.modified};
  } else if (const auto key = keys.below_subnets(node.key)) {
    all.records.push_back(record_of(node, *key));
  }
}

void collect_lives(const KeysNode& node, const StoreKeys& keys, RemainingLives& lives) {
  for (const KeysNode& one : node.nodes)
    collect_lives(one, keys, lives);
  const auto key = keys.below_subnets(node.key);
  if (key && !node.dir && node.left) lives.left[key_within_limits(std::string(*key))] = *node.left;
}

bool removes(const std::string& action) {
  return action == "delete" || action == "expire" || action == "compareAndDelete";
}

bool writes(const std::string& action) {
  return action == "set" || action == "create" || action == "update" || action == "compareAndSwap";
}

// True if `key` is one of our keys, or lies above or below one.
bool concerns(const std::string& key, const StoreKeys& keys) {
  const std::string below = key.ends_with('/') ? key : key + "/";
  return keys.config.starts_with(below) || keys.subnets.starts_with(below) ||
         key.starts_with(keys.subnets) || key == keys.config;
}

}  // namespace

std::string keys_path(std::string_view key) {
  std::string path = "/v2/keys";
  for (const std::string_view part : split(key, '/')) {
    if (!part.empty()) path += "/" + percent_encode(part);
  }
  return path;
}

StoreKeys keys_below(std::string_view prefix) {
  return StoreKeys("/" + std::string(prefix));
}

Result<Snapshot> snapshot_of(const KeysAnswer& answer, Revision revision, const StoreKeys& keys) {
  if (!answer.node.dir) {
    return fail(ErrorKind::invalid, "there is a value where the directory should be");
  }
  Snapshot all{.revision = revision, .config = {}, .records = {}};
  collect(answer.node, keys, all);
  std::sort(all.records.begin(), all.records.end(),
            [](const Record& a, const Record& b) { return a.key < b.key; });
  return all;
}

RemainingLives lives_of(const KeysAnswer& answer, const StoreKeys& keys) {
  RemainingLives lives;
  collect_lives(answer.node, keys, lives);
  return lives;
}

std::optional<std::vector<Change>> changes_of(const KeysAnswer& event, const StoreKeys& keys) {
  const KeysNode& node = event.node;
  if (!concerns(node.key, keys)) return std::vector<Change>();
  const bool gone = removes(event.action);
  if (!gone && !writes(event.action)) return std::nullopt;
  // The event does not say which keys went with a directory. Creating or keeping one changes
  // nothing.
  if (node.dir && gone) return std::nullopt;
  if (auto directory = directory_of(node.key, node.dir, keys)) {
    if (gone) return std::vector<Change>();  // its directory still exists
    return std::vector<Change>{RecordPut{directory_record(*std::move(directory), node.modified)}};
  }
  if (node.dir) return std::vector<Change>();
  if (node.key == keys.config) {
    if (gone) return std::vector<Change>{ConfigGone{node.modified}};
    return std::vector<Change>{ConfigPut{{node.value, node.modified}}};
  }
  const auto key = keys.below_subnets(node.key);
  if (!key || key->empty()) return std::nullopt;
  if (gone)
    return std::vector<Change>{RecordGone{key_within_limits(std::string(*key)), node.modified}};
  return std::vector<Change>{RecordPut{record_of(node, *key)}};
}

}  // namespace flannel
