// SPDX-License-Identifier: Apache-2.0
#include "daemon/way_to_store.h"

#include <chrono>
#include <utility>

#include "base/log.h"
#include "kernel/host/host_view.h"
#include "kernel/ports/stale_tun.h"

namespace flannel {
namespace {

constexpr auto kPeriod = std::chrono::seconds(5);

}  // namespace

WayToStore::WayToStore(Loop& loop, ServiceNotifier& notifier, KeptFds& kept,
                       std::function<std::vector<IpAddress>()> store_addresses)
    : loop_(loop), notifier_(notifier), kept_(kept), store_addresses_(std::move(store_addresses)) {}

void WayToStore::keep_clear() {
  clear();
  timer_.arm_after(kPeriod);
}

void WayToStore::clear() {
  std::vector<IpAddress> needed = store_addresses_();
  if (const auto view = read_host()) {
    needed.insert(needed.end(), view->name_servers.begin(), view->name_servers.end());
    for (const DefaultRoute& route : view->default_routes) {
      if (route.gateway) needed.push_back(*route.gateway);
    }
  }
  const auto devices = tuns_in_the_way(needed);
  if (!devices) return;  // code that needs the kernel reports its failures
  for (const std::string& device : *devices)
    remove(device);
}

// Queues that the service manager has kept must be closed first, because they keep the device.
void WayToStore::remove(const std::string& device) {
  for (const std::string& name : kept_.names()) {
    kept_.take(name);
    notifier_.keep(name, {});
  }
  const auto removed = remove_if_stale(device);
  if (!removed) {
    log::warning("cannot remove a device whose route covers the store",
                 {{"device", device}, {"why", removed.error().text}});
  } else if (*removed) {
    log::warning(
        "device of an earlier run removed: it took what this host sends to its store, its gateway "
        "or a name server",
        {{"device", device}});
  }
}

}  // namespace flannel
