// SPDX-License-Identifier: Apache-2.0
// The part of Network that leaves for good: the network is no longer there.
#include <fmt/format.h>

#include "base/log.h"
#include "daemon/network.h"

namespace flannel {

// Without a lease the containers of an earlier run count.
std::optional<std::string> Network::used_by() const {
  const std::optional<SubnetKey> subnets = own_ ? std::optional(own_->subnet) : previous_;
  if (!subnets || leaves_) return std::nullopt;
  for (const IpPrefix& subnet : values_of(*subnets)) {
    const auto state = parts_.host.traffic_state(
        {.network = subnet, .own_subnet = subnet, .devices = planes_.device_names()});
    if (!state) return "the host cannot be read: " + state.error().text;
    const std::string name = to_string(subnet);
    if (!state->bridges.empty()) {
      return fmt::format("the device {} has an address in {}", state->bridges.front(), name);
    }
    for (const OtherRoute& route : state->routes) {
      if (!subnet.contains(route.to)) continue;
      return fmt::format("another program routes {} of {}{}", to_string(route.to), name,
                         route.device.empty() ? "" : " to the device " + route.device);
    }
  }
  return std::nullopt;
}

// The packet paths are closed first: they would make a device again that is deleted.
void Network::leave() {
  if (std::exchange(leaves_, true)) return;
  log::info("this host leaves the network: its devices, routes, rules and subnet file are removed");
  own_.reset();
  subnet_file_.remove();
  Scope scope = overlay_.scope();
  planes_.retire();
  overlay_.remove(std::move(scope));
  if (parts_.rules) parts_.rules->leave();
}

bool Network::has_left() const {
  return leaves_ && overlay_.is_removed() && planes_.has_undone() &&
         (parts_.rules == nullptr || parts_.rules->has_left());
}

}  // namespace flannel
