// SPDX-License-Identifier: Apache-2.0
// Converts nodes and events of the keys API into records and changes.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "base/result.h"
#include "core/registry.h"
#include "registry/etcd2/keys_api.h"
#include "registry/store_keys.h"

namespace flannel {

// The expiry handle of every key with a TTL, since etcd v2 keeps the TTL with the key.
inline const ExpiryHandle kExpiresByTtl = "ttl";

// Returns the path of a key: `/v2/keys` and each part of `key`, percent-encoded.
std::string keys_path(std::string_view key);
// Returns the keys below a prefix. In etcd v2 every key begins with a slash.
StoreKeys keys_below(std::string_view prefix);

// Converts the answer to a recursive read of the prefix. A directory among the records that lies
// deeper than kMostParts becomes a record "a/b/.../" without a value; its content is left out.
Result<Snapshot> snapshot_of(const KeysAnswer& answer, Revision revision, const StoreKeys& keys);

// Returns how long the records in the answer to such a read live on.
RemainingLives lives_of(const KeysAnswer& answer, const StoreKeys& keys);

// Converts an event. The result is empty if the event concerns no key of ours, and nullopt if the
// event may have changed more keys than it names, for example the deletion of a directory: the
// caller must then take a snapshot.
std::optional<std::vector<Change>> changes_of(const KeysAnswer& event, const StoreKeys& keys);

}  // namespace flannel
