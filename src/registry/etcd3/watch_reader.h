// SPDX-License-Identifier: Apache-2.0
// Interprets the messages of an etcd watch, without any I/O.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/registry.h"
#include "registry/etcd3/etcdserver.pb.h"
#include "registry/store_keys.h"

namespace flannel {

struct WatchNothing {};
struct WatchCreated {
  Revision revision = 0;  // of the etcd member; it may lag behind the cluster
};
struct WatchChanges {
  std::vector<Change> changes;  // none: only the position moved
  Revision revision = 0;
};
struct WatchPositionLost {};
struct WatchCancelled {
  Error error;
};
using WatchMessage =
    std::variant<WatchNothing, WatchCreated, WatchChanges, WatchPositionLost, WatchCancelled>;

// The keys that a watch covers. One range covers all, since "config" < "subnets/...". Keys between
// them are ignored, but the role of our user may have no right to read them.
enum class WatchRange { all, config, subnets };

class WatchReader {
 public:
  // Reads the changes after `from`, which is a revision of `cluster`; 0: the cluster is not known.
  WatchReader(StoreKeys keys, WatchRange range, Revision from, std::uint64_t cluster)
      : keys_(std::move(keys)), range_(range), position_(from), cluster_(cluster) {}

  etcdserverpb::WatchRequest request() const;

  WatchMessage read(const etcdserverpb::WatchResponse& response);

  Revision position() const { return position_; }

 private:
  void collect(const etcdserverpb::Event& event);

  StoreKeys keys_;
  WatchRange range_;
  Revision position_;  // all changes up to this revision have been returned
  std::uint64_t cluster_;
  WatchChanges collected_;  // from the fragments of one response
};

}  // namespace flannel
