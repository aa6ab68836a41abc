// SPDX-License-Identifier: Apache-2.0
// What the messages of an etcd watch mean. Pure: bytes and connections are elsewhere.
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
  Revision revision = 0;  // where the asked node is; it may lag behind the cluster
};
struct WatchChanges {
  std::vector<Change> changes;  // none: only the position moved
  Revision revision = 0;
};
struct WatchPositionLost {};
struct WatchCancelled {
  Error error;
};
using WatchNews =
    std::variant<WatchNothing, WatchCreated, WatchChanges, WatchPositionLost, WatchCancelled>;

// What a watch is about. One range holds all: "config" < "subnets/...". Keys between them are
// nobody's and ignored, but a role may not give the right to read them.
enum class WatchRange { all, config, subnets };

class WatchReader {
 public:
  // Everything after `from`. `cluster`: whose history `from` is a place in; 0: not known.
  WatchReader(StoreKeys keys, WatchRange range, Revision from, std::uint64_t cluster)
      : keys_(std::move(keys)), range_(range), position_(from), cluster_(cluster) {}

  etcdserverpb::WatchRequest request() const;

  WatchNews read(const etcdserverpb::WatchResponse& response);

  Revision position() const { return position_; }

 private:
  void collect(const etcdserverpb::Event& event);

  StoreKeys keys_;
  WatchRange range_;
  Revision position_;  // all up to here has been handed on
  std::uint64_t cluster_;
  WatchChanges collected_;  // of a response in several fragments
};

}  // namespace flannel
