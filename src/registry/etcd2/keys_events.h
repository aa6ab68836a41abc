// SPDX-License-Identifier: Apache-2.0
// Nodes and events of the keys API as the registry means them.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "base/result.h"
#include "core/registry.h"
#include "registry/etcd2/keys_api.h"
#include "registry/store_keys.h"

namespace flannel {

// What stands in Record::hold and Held::hold for a key with a TTL; the TTL itself is etcd's.
inline constexpr std::int64_t kHeldByTtl = 1;

// `/v2/keys` and each part of `key`, encoded.
std::string keys_path(std::string_view key);
// The keys below a prefix; in etcd v2 every key begins with a slash.
StoreKeys keys_below(std::string_view prefix);

// `answer` is that to a recursive read of the prefix. A directory among the records that lies too
// deep is a record itself, "a/b/.../", without a value; what is in it is not told.
Result<Snapshot> snapshot_of(const KeysAnswer& answer, Revision revision, const StoreKeys& keys);

// An event that is none of ours is no change; one that may have changed more than it says, like
// the end of a directory, is nullopt: take a snapshot.
std::optional<std::vector<Change>> changes_of(const KeysAnswer& event, const StoreKeys& keys);

}  // namespace flannel
