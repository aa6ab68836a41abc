// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "core/registry.h"
#include "loop/loop.h"
#include "registry/etcd3/connection.h"
#include "registry/store_keys.h"

namespace flannel {

// An idle etcd watch sends a progress notice about every 10 minutes, but skips one after a change.
// A watch without any message for 25 minutes is dead, even if its connection is established.
inline constexpr std::chrono::minutes kLongestSilence{25};

struct EtcdWatchSettings {
  EtcdConnection& connection;
  Loop& loop;
  const StoreKeys& keys;
  Revision from = 0;
  std::uint64_t cluster = 0;  // as in WatchReader
  // Set if our role has no right to read one range with all keys. The caller keeps it between
  // watches.
  bool& narrow;
  Duration longest_silence = kLongestSilence;
};

// Starts a watch of Registry over one etcd stream, or over two streams if the role is narrow. With
// two, the reported revision may lag behind, so a watch that resumes from it may report changes
// twice. The objects in `settings` must outlive the watch.
WatchHandle start_etcd_watch(EtcdWatchSettings settings, WatchListener listener);

}  // namespace flannel
