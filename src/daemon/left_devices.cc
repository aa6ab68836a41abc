// SPDX-License-Identifier: Apache-2.0
#include "daemon/left_devices.h"

#include <utility>

#include "base/log.h"
#include "kernel/objects/leftovers.h"
#include "kernel/ports/stale_tun.h"

namespace flannel {
namespace {

Result<std::vector<LeftDevice>> find_devices(std::span<const IpPrefix> networks,
                                             bool holds_queues) {
  NetlinkSocket socket = TRY(NetlinkSocket::open());
  std::vector<LeftDevice> left = TRY(left_tunnels(socket, networks));
  for (std::string& name : TRY(left_tuns(socket, networks, holds_queues)))
    left.push_back({{.name = std::move(name), .kind = TunSettings{}}, true});
  return left;
}

}  // namespace

std::vector<LeftDevice> left_devices(std::span<const IpPrefix> networks, bool holds_queues) {
  auto left = find_devices(networks, holds_queues);
  if (left) return *std::move(left);
  log::warning("cannot look for devices of a run before", {{"why", left.error().text}});
  return {};
}

}  // namespace flannel
