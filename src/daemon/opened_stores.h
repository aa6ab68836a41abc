// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "core/store_address.h"
#include "loop/loop.h"
#include "net/address.h"
#include "registry/open_registry.h"

namespace flannel {

// The stores that this process has used: its own, and those to which the cluster moves. Loop thread
// only.
class OpenedStores {
 public:
  // `loop` must outlive this object.
  OpenedStores(StoreOptions own, Loop& loop) : loop_(loop), stores_{std::move(own)} {}

  // Opens another store with the credentials of the own one.
  Result<std::unique_ptr<Registry>> open(const StoreAddress& address);
  // Returns the addresses at which this process reaches all of them, since each note about a move
  // may change which one is used.
  std::vector<IpAddress> addresses() const;

 private:
  Loop& loop_;
  std::vector<StoreOptions> stores_;  // the own one first
};

}  // namespace flannel
