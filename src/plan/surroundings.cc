// SPDX-License-Identifier: Apache-2.0
#include "plan/surroundings.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace flannel {
namespace {

constexpr std::size_t kMostNamed = 5;

void add(std::vector<AddressInUse>& all, IpAddress ip, std::string what) {
  if (ip.is_unspecified() || ip.is_loopback()) return;
  if (std::ranges::find(all, ip, &AddressInUse::ip) == all.end()) {
    all.push_back({ip, std::move(what)});
  }
}

// Gateways on other interfaces than the underlay may be containers that route for others.
void add_gateways(std::vector<AddressInUse>& all, const HostView& host, const Underlay& underlay) {
  for (const DefaultRoute& route : host.default_routes) {
    if (route.gateway) add(all, *route.gateway, "the default gateway");
  }
  for (const HostRoute& route : host.routes) {
    if (!route.gateway || route.interface_index != underlay.interface_index) continue;
    add(all, *route.gateway, "the gateway to " + to_string(route.to));
  }
}

std::string name_of(const HostView& host, int index) {
  const auto found = std::ranges::find(host.interfaces, index, &Interface::index);
  return found == host.interfaces.end() ? fmt::format("device {}", index) : found->name;
}

// Linux uses the route with the lowest metric, and the oldest of equal ones. Our route has metric
// 0.
std::string find_holder(const HostView& host, const Underlay& underlay, const IpPrefix& network,
                        std::span<const std::string> devices) {
  const auto first = std::ranges::find(host.routes, network, &HostRoute::to);
  if (first == host.routes.end() || first->metric != 0) return {};
  if (first->interface_index == underlay.interface_index) return {};
  std::string name = name_of(host, first->interface_index);
  return std::ranges::find(devices, name) == devices.end() ? name : std::string();
}

}  // namespace

bool LocalAddress::has_no_host(IpAddress other) const {
  const IpPrefix link = IpPrefix::of(ip, bits);
  return bits <= 30 && (other == link.base || other == link.last());
}

Surroundings find_surroundings(const HostView& host, const Underlay& underlay,
                               const IpPrefix& network, std::span<const IpAddress> endpoints,
                               std::span<const std::string> devices) {
  Surroundings found;
  for (const Family family : {Family::v4, Family::v6}) {
    const auto& address = underlay.at(family);
    if (!address) continue;
    add(found.in_use, address->ip, "the address of " + underlay.interface);
    add(found.in_use, address->public_ip, "our public IP");
  }
  for (const Interface& interface : host.interfaces) {
    for (const InterfaceAddress& address : interface.addresses) {
      if (address.ip.is_loopback()) continue;
      found.local.push_back({interface.name, address.ip, address.bits});
      if (interface.index != underlay.interface_index) continue;
      add(found.in_use, address.ip, "an address of " + interface.name);
      const IpPrefix link = IpPrefix::of(address.ip, address.bits);
      if (!found.link && link.overlaps(network)) {
        found.link = {link.base, fmt::format("the link {} of {}", to_string(link), interface.name)};
      }
    }
  }
  add_gateways(found.in_use, host, underlay);
  for (const IpAddress server : host.name_servers)
    add(found.in_use, server, "a name server");
  for (const IpAddress endpoint : endpoints)
    add(found.in_use, endpoint, "an endpoint of the store");
  found.holder = find_holder(host, underlay, network, devices);
  return found;
}

const AddressInUse* in_use_inside(const IpPrefix& net, const Surroundings& surroundings) {
  const auto found = std::ranges::find_if(surroundings.in_use, [&net](const AddressInUse& address) {
    return net.contains(address.ip);
  });
  return found == surroundings.in_use.end() ? nullptr : &*found;
}

std::optional<std::string> find_clash(const IpPrefix& network, const Surroundings& surroundings) {
  std::vector<std::string> inside;
  for (const AddressInUse& address : surroundings.in_use) {
    if (!network.contains(address.ip)) continue;
    inside.push_back(fmt::format("{} ({})", to_string(address.ip), address.what));
  }
  if (inside.size() > kMostNamed) {
    const std::size_t more = inside.size() - kMostNamed;
    inside.resize(kMostNamed);
    inside.push_back(fmt::format("{} more", more));
  }
  const bool overlaps_link = surroundings.link.has_value();
  if (inside.empty() && !overlaps_link) return std::nullopt;
  if (overlaps_link) inside.push_back(surroundings.link->what);
  return fmt::format(
      "Network {} overlaps what this host uses outside of the overlay: {}. No subnet around such "
      "an "
      "address is leased or routed to, and the udp backend routes the subnets of peers one by one "
      "instead of the network; choose a Network that nothing else uses",
      to_string(network), fmt::join(inside, ", "));
}

std::optional<std::string> find_held(const IpPrefix& network, const Surroundings& surroundings) {
  if (surroundings.holder.empty()) return std::nullopt;
  return fmt::format(
      "packets to {0} leave by {1}, whose route to it goes before that of the udp backend's "
      "device; "
      "take the address or the route in that network from {1}, or choose another Network",
      to_string(network), surroundings.holder);
}

std::vector<IpAddress> parse_name_servers(std::string_view resolv_conf) {
  std::vector<IpAddress> servers;
  std::istringstream lines{std::string(resolv_conf)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string key, value;
    if (!(words >> key >> value) || key != "nameserver") continue;
    if (const auto ip = IpAddress::parse(value)) servers.push_back(*ip);
  }
  return servers;
}

}  // namespace flannel
