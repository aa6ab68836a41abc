// SPDX-License-Identifier: Apache-2.0
#include "daemon/left_devices.h"

#include <string_view>
#include <utility>

#include "base/log.h"
#include "daemon/udp_dataplane.h"
#include "kernel/objects/leftovers.h"
#include "kernel/ports/stale_tun.h"

namespace flannel {

std::vector<Link> left_devices(std::span<const IpPrefix> networks) {
  auto socket = NetlinkSocket::open();
  auto left = socket ? left_vxlans(*socket, networks)
                     : Result<std::vector<Link>>(tl::unexpected(std::move(socket).error()));
  if (left) return *std::move(left);
  log::warning("cannot look for devices of a run before", {{"why", left.error().text}});
  return {};
}

void forget_packet_path(ServiceNotifier& notifier, KeptFds& kept,
                        std::span<const IpPrefix> networks) {
  for (const std::string_view name : {UdpDataplane::kQueues, UdpDataplane::kSockets}) {
    if (!kept.take(name).empty()) notifier.keep(name, {});
  }
  const auto removed = remove_stale_tuns(networks);
  if (!removed) {
    log::warning("cannot remove the device of the udp backend", {{"why", removed.error().text}});
  } else if (!removed->empty()) {
    log::info("device of the udp backend removed, the backend is another now",
              {{"device", *removed}});
  }
}

}  // namespace flannel
