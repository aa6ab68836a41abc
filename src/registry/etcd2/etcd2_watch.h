// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "core/registry.h"
#include "registry/etcd2/keys_client.h"
#include "registry/store_keys.h"

namespace flannel {

// Where a watch begins, as the registry knows it.
struct KeysPosition {
  Revision from = 0;
  std::string cluster;  // empty: not known
};

// Watches the prefix by long polls, each with one event. `client` outlives the watch.
WatchHandle start_etcd2_watch(KeysClient& client, Loop& loop, const StoreKeys& keys,
                              KeysPosition position, WatchListener listener);

}  // namespace flannel
