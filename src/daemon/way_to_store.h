// SPDX-License-Identifier: Apache-2.0
// Keeps the store reachable at the start. A device of the udp backend that an earlier run left may
// have a route that covers the address of the store, so that no later run could read the
// configuration.
#pragma once

#include <functional>
#include <vector>

#include "daemon/kept_fds.h"
#include "daemon/sd_notify.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "net/address.h"

namespace flannel {

// Loop thread only.
class WayToStore {
 public:
  // All arguments must outlive this object. `store_addresses` returns the known addresses of the
  // store.
  WayToStore(Loop& loop, ServiceNotifier& notifier, KeptFds& kept,
             std::function<std::vector<IpAddress>()> store_addresses);

  // Removes leftover devices whose routes cover the store, a gateway or a name server. Repeats this
  // until stop(), since the addresses of names become known later.
  void keep_clear();
  void stop() { timer_.cancel(); }

 private:
  void clear();
  void remove(const std::string& device);

  Loop& loop_;
  ServiceNotifier& notifier_;
  KeptFds& kept_;
  std::function<std::vector<IpAddress>()> store_addresses_;
  Timer timer_{loop_, [this] { keep_clear(); }};
};

}  // namespace flannel
