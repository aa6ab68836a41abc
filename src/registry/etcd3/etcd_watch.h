// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "core/registry.h"
#include "loop/loop.h"
#include "registry/etcd3/connection.h"
#include "registry/store_keys.h"

namespace flannel {

// Of a watch at rest etcd says every 10 minutes, and a bit, that there is nothing, but leaves one
// such notice out after changes. Who hears nothing for longer has no watch there any more, however
// well the connection stands.
inline constexpr std::chrono::minutes kLongestSilence{25};

// One watch of Registry over one etcd stream. `connection` and `loop` outlive it; `cluster` as in
// WatchReader.
WatchHandle start_etcd_watch(EtcdConnection& connection, Loop& loop, const StoreKeys& keys,
                             Revision from, std::uint64_t cluster, WatchListener listener,
                             Duration longest_silence = kLongestSilence);

}  // namespace flannel
