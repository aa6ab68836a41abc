// SPDX-License-Identifier: Apache-2.0
#include "daemon/opened_stores.h"

#include <set>
#include <utility>

#include "registry/options_at.h"
#include "registry/store_addresses.h"

namespace flannel {

Result<std::unique_ptr<Registry>> OpenedStores::open(const StoreAddress& address) {
  StoreOptions options = TRY(options_at(address, stores_.front()));
  auto opened = TRY(open_registry(options, loop_));
  stores_.push_back(std::move(options));
  return opened;
}

std::vector<IpAddress> OpenedStores::addresses() const {
  std::set<IpAddress> addresses;
  for (const StoreOptions& store : stores_) {
    for (const IpAddress ip : store_addresses(store))
      addresses.insert(ip);
  }
  return {addresses.begin(), addresses.end()};
}

}  // namespace flannel
