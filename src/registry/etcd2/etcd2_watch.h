// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "core/registry.h"
#include "registry/etcd2/keys_client.h"
#include "registry/store_keys.h"

namespace flannel {

// Where a watch begins.
struct KeysPosition {
  Revision from = 0;
  std::string cluster;  // empty: not known
};

// Watches the prefix by long polls, each of which returns one event. `client` must outlive the
// watch.
WatchHandle start_etcd2_watch(KeysClient& client, Loop& loop, const StoreKeys& keys,
                              KeysPosition position, WatchListener listener);

}  // namespace flannel
