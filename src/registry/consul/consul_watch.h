// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "core/store_feed.h"
#include "loop/loop.h"
#include "registry/consul/consul_client.h"
#include "registry/store_keys.h"

namespace flannel {

// Watches the prefix by blocking queries, each of which returns the whole list. `from` is the list
// at which the watch begins; `on_list` is called with each later one before the listener is.
// `client` and `loop` must outlive the watch.
WatchHandle start_consul_watch(ConsulClient& client, Loop& loop, const StoreKeys& keys,
                               Snapshot from, std::function<void(const Snapshot&)> on_list,
                               WatchListener listener);

}  // namespace flannel
