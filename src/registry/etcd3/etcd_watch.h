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

struct EtcdWatchSettings {
  EtcdConnection& connection;
  Loop& loop;
  const StoreKeys& keys;
  Revision from = 0;
  std::uint64_t cluster = 0;  // as in WatchReader
  // The role has no right to one range that holds everything; kept from watch to watch.
  bool& narrow;
  Duration longest_silence = kLongestSilence;
};

// One watch of Registry over one etcd stream; over two where a narrow role needs it: then the
// revision that is told stays behind, and what is resumed from there may be told twice. What the
// settings refer to outlives it.
WatchHandle start_etcd_watch(EtcdWatchSettings settings, WatchListener listener);

}  // namespace flannel
