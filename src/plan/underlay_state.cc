// SPDX-License-Identifier: Apache-2.0
#include "plan/underlay_state.h"

#include <fmt/format.h>

#include <algorithm>

namespace flannel {
namespace {

const Interface* find_interface(const Underlay& used, const HostView& host) {
  const auto& all = host.interfaces;
  const auto by_index = std::ranges::find(all, used.interface_index, &Interface::index);
  if (by_index != all.end()) return &*by_index;
  const auto by_name = std::ranges::find(all, used.interface, &Interface::name);
  return by_name == all.end() ? nullptr : &*by_name;
}

const InterfaceAddress* find_address(const Interface& interface, IpAddress ip) {
  const auto at = std::ranges::find(interface.addresses, ip, &InterfaceAddress::ip);
  return at == interface.addresses.end() ? nullptr : &*at;
}

// "192.0.2.1 and 2001:db8::1"
std::string addresses_of(const Underlay& underlay) {
  std::string text;
  for (const Family family : kFamilies) {
    const auto& address = underlay.at(family);
    if (address) text += (text.empty() ? "" : " and ") + to_string(address->ip);
  }
  return text;
}

std::string until(const std::optional<UnderlayChoice>& next) {
  if (!next) return {};
  return fmt::format(", or this host uses {} of {} in a few seconds", addresses_of(next->underlay),
                     next->underlay.interface);
}

std::string gone(const Underlay& used, const std::optional<UnderlayChoice>& next) {
  return fmt::format("the interface {} is gone: nothing passes until it is back with {}{}",
                     used.interface, addresses_of(used), until(next));
}

std::string lost_address(const Interface& interface, const UnderlayAddress& used,
                         const std::optional<UnderlayChoice>& next, const HostView& host) {
  std::string holder;
  for (const Interface& other : host.interfaces) {
    if (find_address(other, used.ip)) holder = fmt::format(" ({} has it now)", other.name);
  }
  const std::string role = used.ip == used.public_ip ? "to which all peers send" : "it sends from";
  return fmt::format("{} has lost {}, {}{}: put it back (ip address add {}/.. dev {}){}",
                     interface.name, to_string(used.ip), role, holder, to_string(used.ip),
                     interface.name, until(next));
}

bool has_lost_address(const Interface& interface, const Underlay& used) {
  return std::ranges::any_of(kFamilies, [&](Family family) {
    return used.at(family) && !find_address(interface, used.at(family)->ip);
  });
}

bool goes_by_default_route(const UnderlayRequest& request) {
  return request.interfaces.empty() && request.regexes.empty() && request.can_reach.empty() &&
         request.public_ip.empty() && request.public_ipv6.empty();
}

// True if other interfaces have all default routes of a family that is used.
bool has_lost_default_route(const Interface& interface, const Underlay& used,
                            const HostView& host) {
  return std::ranges::any_of(kFamilies, [&](Family family) {
    bool elsewhere = false;
    for (const DefaultRoute& route : host.default_routes) {
      if (route.family != family) continue;
      if (!route.interface_index || *route.interface_index == interface.index) return false;
      elsewhere = true;
    }
    return used.at(family) && elsewhere;
  });
}

// What takes the place of an underlay that is gone or has been left; nullopt: nothing does.
std::optional<UnderlayChoice> choose_next(const Interface* interface, const Underlay& used,
                                          const UnderlayRequest& request, const HostView& host) {
  const bool stays =
      interface != nullptr && !has_lost_address(*interface, used) &&
      !(goes_by_default_route(request) && has_lost_default_route(*interface, used, host));
  if (stays) return std::nullopt;
  auto choice = choose_underlay(request, host);
  if (!choice || choice->underlay == used) return std::nullopt;
  return *std::move(choice);
}

// Nothing passes if no address is left.
void add_lost_addresses(const Interface& interface, const Underlay& used,
                        const std::optional<UnderlayChoice>& next, const HostView& host,
                        std::vector<HostTrouble>& troubles) {
  const bool any_left = std::ranges::any_of(kFamilies, [&](Family family) {
    const auto& address = used.at(family);
    return address && find_address(interface, address->ip);
  });
  for (const Family family : kFamilies) {
    const auto& address = used.at(family);
    if (!address || find_address(interface, address->ip)) continue;
    troubles.push_back({lost_address(interface, *address, next, host), !any_left});
  }
}

bool has_default_route(const HostView& host, Family family) {
  return std::ranges::find(host.default_routes, family, &DefaultRoute::family) !=
         host.default_routes.end();
}

// A host whose IPv6 peers are all on its link may never have had an IPv6 default route. If Linux is
// to take it from router advertisements, which it ignores, it is missing.
void add_lost_default_route(const Interface& interface, const Underlay& used, const HostView& host,
                            std::vector<HostTrouble>& troubles) {
  if (used.v4 && !has_default_route(host, Family::v4)) {
    troubles.push_back(
        {fmt::format("there is no default route any more: peers that are not "
                     "on the link of {} cannot be reached",
                     interface.name)});
  }
  if (!used.v6 || has_default_route(host, Family::v6)) return;
  if (interface.ignores_advertisements) {
    troubles.push_back({fmt::format(
        "there is no IPv6 default route: this host forwards IPv6, so Linux ignores the router "
        "advertisements on {0}: sysctl -w net/ipv6/conf/{0}/accept_ra=2",
        interface.name)});
  } else if (!used.v4) {
    troubles.push_back(
        {fmt::format("there is no IPv6 default route any more: peers that are not "
                     "on the link of {} cannot be reached",
                     interface.name)});
  }
}

// Without advertisements such a route ends with its lifetime. Where another program takes the
// advertisements, as systemd-networkd does, accept_ra is 0, and that program renews the route.
void add_ending_default_route(const Interface& interface, const Underlay& used,
                              const HostView& host, std::vector<HostTrouble>& troubles) {
  if (!used.v6 || !interface.ignores_advertisements) return;
  const bool ends = std::ranges::any_of(host.default_routes, [&](const DefaultRoute& route) {
    return route.family == Family::v6 && route.advertised &&
           route.interface_index == interface.index;
  });
  if (!ends) return;
  troubles.push_back({fmt::format(
      "the IPv6 default route by {0} is from a router advertisement and will end: this host "
      "forwards IPv6, so Linux ignores further ones: sysctl -w net/ipv6/conf/{0}/accept_ra=2",
      interface.name)});
}

}  // namespace

UnderlayState underlay_state(const Underlay& used, const UnderlayRequest& request,
                             const HostView& host) {
  const Interface* const interface = find_interface(used, host);
  UnderlayState state{
      .underlay = used, .next = choose_next(interface, used, request, host), .troubles = {}};
  if (interface == nullptr) {
    state.troubles.push_back({gone(used, state.next), true});
    return state;
  }
  add_lost_addresses(*interface, used, state.next, host, state.troubles);
  state.underlay.interface = interface->name;
  state.underlay.interface_index = interface->index;
  state.underlay.mtu = interface->mtu;
  if (!interface->up) {
    state.troubles.push_back(
        {fmt::format("{0} is down: ip link set {0} up", interface->name), true});
  } else if (!interface->carrier) {
    state.troubles.push_back(
        {fmt::format("{} has no carrier: is its cable, or the other end of it, plugged in and up?",
                     interface->name),
         true});
  }
  if (goes_by_default_route(request))
    add_lost_default_route(*interface, used, host, state.troubles);
  add_ending_default_route(*interface, used, host, state.troubles);
  return state;
}

}  // namespace flannel
