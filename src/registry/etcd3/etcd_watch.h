// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "core/registry.h"
#include "loop/loop.h"
#include "registry/etcd3/connection.h"
#include "registry/store_keys.h"

namespace flannel {

// One watch of Registry over one etcd stream. `connection` and `loop` outlive it; `cluster` as in
// WatchReader.
WatchHandle start_etcd_watch(EtcdConnection& connection, Loop& loop, const StoreKeys& keys,
                             Revision from, std::uint64_t cluster, WatchListener listener);

}  // namespace flannel
