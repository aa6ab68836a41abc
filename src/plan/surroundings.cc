// SPDX-License-Identifier: Apache-2.0
#include "plan/surroundings.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "base/problem_kinds.h"

namespace flannel {
namespace {

constexpr std::size_t kMostNamed = 5;

void add(std::vector<AddressInUse>& all, IpAddress ip, std::string what) {
  if (ip.is_unspecified() || ip.is_loopback() || (ip.is_v6() && ip.is_link_local())) return;
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

// The metric of the route to its network that the kernel adds with an address.
constexpr std::uint32_t kernel_metric(Family family) {
  return family == Family::v4 ? 0 : 256;  // IP6_RT_PRIO_ADDRCONF
}

// Linux uses the route with the lowest metric, and the oldest of equal ones. That of our device is
// one that the kernel has added, or will be: then it is the youngest.
std::string find_holder(const HostView& host, const Underlay& underlay, const IpPrefix& network,
                        std::span<const std::string> devices) {
  const HostRoute* used = nullptr;
  for (const HostRoute& route : host.routes) {
    if (route.to != network || route.metric > kernel_metric(network.family())) continue;
    if (used == nullptr || route.metric < used->metric) used = &route;
  }
  if (used == nullptr) return {};
  // The underlay's own link is a clash. Of IPv4, our route takes the place of one with a gateway.
  const bool has_gateway = used->gateway && network.family() == Family::v6;
  if (used->interface_index == underlay.interface_index && !has_gateway) return {};
  std::string name = name_of(host, used->interface_index);
  return std::ranges::find(devices, name) == devices.end() ? name : std::string();
}

std::optional<AddressInUse> find_link(const HostView& host, const Underlay& underlay,
                                      const IpPrefix& network) {
  for (const Interface& interface : host.interfaces) {
    if (interface.index != underlay.interface_index) continue;
    for (const InterfaceAddress& address : interface.addresses) {
      const IpPrefix link = IpPrefix::of(address.ip, address.bits);
      if (!link.overlaps(network)) continue;
      return AddressInUse{link.base,
                          fmt::format("the link {} of {}", to_string(link), interface.name)};
    }
  }
  return std::nullopt;
}

const NetworkRivals* rivals_of(const IpPrefix& network, const Surroundings& surroundings) {
  const auto found = std::ranges::find(surroundings.networks, network, &NetworkRivals::network);
  return found == surroundings.networks.end() ? nullptr : &*found;
}

std::string_view key_of_network(const IpPrefix& network) {
  return network.family() == Family::v4 ? "Network" : "IPv6Network";
}

}  // namespace

bool LocalAddress::has_no_host(IpAddress other) const {
  // In networks of two addresses both are hosts' (RFC 3021, RFC 6164).
  const IpPrefix link = IpPrefix::of(ip, bits);
  if (link.host_bits() < 2) return false;
  return other == link.base || (ip.is_v4() && other == link.last());
}

Surroundings find_surroundings(const HostView& host, const Underlay& underlay,
                               std::span<const IpPrefix> networks,
                               std::span<const IpAddress> endpoints,
                               std::span<const std::string> devices) {
  Surroundings found;
  for (const Family family : kFamilies) {
    const auto& address = underlay.at(family);
    if (!address) continue;
    add(found.in_use, address->ip, "the address of " + underlay.interface);
    add(found.in_use, address->public_ip, "our public IP");
  }
  for (const Interface& interface : host.interfaces) {
    for (const InterfaceAddress& address : interface.addresses) {
      if (address.ip.is_loopback()) continue;
      found.local.push_back({interface.name, address.ip, address.bits});
      if (interface.index == underlay.interface_index) {
        add(found.in_use, address.ip, "an address of " + interface.name);
      }
    }
  }
  add_gateways(found.in_use, host, underlay);
  for (const IpAddress server : host.name_servers)
    add(found.in_use, server, "a name server");
  for (const IpAddress endpoint : endpoints)
    add(found.in_use, endpoint, "an endpoint of the store");
  for (const IpPrefix& network : networks) {
    found.networks.push_back({network, find_link(host, underlay, network),
                              find_holder(host, underlay, network, devices)});
  }
  return found;
}

const AddressInUse* in_use_inside(const IpPrefix& net, const Surroundings& surroundings) {
  const auto found = std::ranges::find_if(surroundings.in_use, [&net](const AddressInUse& address) {
    return net.contains(address.ip);
  });
  return found == surroundings.in_use.end() ? nullptr : &*found;
}

std::optional<Problem> find_clash(const IpPrefix& network, const Surroundings& surroundings) {
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
  const NetworkRivals* rivals = rivals_of(network, surroundings);
  if (rivals != nullptr && rivals->link) inside.push_back(rivals->link->what);
  if (inside.empty()) return std::nullopt;
  const std::string_view key = key_of_network(network);
  return make_problem(
      kNetworkOverlaps, to_string(network),
      fmt::format("{} {} overlaps what this host uses outside of the overlay: {}. No subnet around "
                  "such an address is leased or routed to, and the subnets of peers are routed one "
                  "by one, also where the network would be",
                  key, to_string(network), fmt::join(inside, ", ")),
      {{"key", key}});
}

std::optional<Problem> find_held(const IpPrefix& network, const Surroundings& surroundings) {
  const std::string holder = holder_of(network, surroundings);
  if (holder.empty()) return std::nullopt;
  return make_problem(kNetworkHeld, to_string(network),
                      fmt::format("packets to {} leave by {}, whose route to it goes before that "
                                  "of the overlay's device",
                                  to_string(network), holder),
                      {{"device", holder}, {"key", key_of_network(network)}});
}

std::string holder_of(const IpPrefix& network, const Surroundings& surroundings) {
  const NetworkRivals* rivals = rivals_of(network, surroundings);
  return rivals == nullptr ? std::string() : rivals->holder;
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
