// SPDX-License-Identifier: Apache-2.0
// A device of the udp backend that an earlier run left may have a route over the way to the store:
// then no later run would ever hear what the network is by now.
#pragma once

#include <functional>
#include <vector>

#include "daemon/kept_fds.h"
#include "daemon/sd_notify.h"
#include "loop/loop.h"
#include "net/address.h"

namespace flannel {

// Loop thread only.
class WayToStore {
 public:
  // All are lent and outlive this. `store_addresses`: where the store is reached, as far as known.
  WayToStore(Loop& loop, ServiceNotifier& notifier, KeptFds& kept,
             std::function<std::vector<Ip4>()> store_addresses);

  // Removes left devices that are in the way to the store, a gateway or a name server; again and
  // again, since addresses of names become known late, until stop().
  void keep_clear();
  void stop() { next_.reset(); }

 private:
  void clear();
  void remove(const std::string& device);

  Loop& loop_;
  ServiceNotifier& notifier_;
  KeptFds& kept_;
  std::function<std::vector<Ip4>()> store_addresses_;
  SubscriptionPtr next_;
};

}  // namespace flannel
