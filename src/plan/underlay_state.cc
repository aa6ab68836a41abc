// SPDX-License-Identifier: Apache-2.0
#include "plan/underlay_state.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/problem_kinds.h"

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

std::string and_then(const std::optional<UnderlayChoice>& next) {
  if (!next) return {};
  return fmt::format("; if it stays so, this host uses {} of {} in a few seconds",
                     addresses_of(next->underlay), next->underlay.interface);
}

Problem gone(const Underlay& used, const std::optional<UnderlayChoice>& next) {
  return make_problem(
      kUnderlayGone, used.interface,
      fmt::format("the interface {} is gone, so nothing passes{}", used.interface, and_then(next)),
      {{"addresses", addresses_of(used)}});
}

Problem lost_address(const ProblemKind& kind, const Interface& interface,
                     const UnderlayAddress& used, const std::optional<UnderlayChoice>& next,
                     const HostView& host) {
  std::string holder;
  for (const Interface& other : host.interfaces) {
    if (find_address(other, used.ip)) holder = fmt::format(" ({} has it now)", other.name);
  }
  const std::string role = used.ip == used.public_ip ? "to which all peers send" : "it sends from";
  return make_problem(kind, to_string(used.ip),
                      fmt::format("{} has lost {}, {}{}{}", interface.name, to_string(used.ip),
                                  role, holder, and_then(next)),
                      {{"device", interface.name}});
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
                        std::vector<Problem>& problems) {
  const bool any_left = std::ranges::any_of(kFamilies, [&](Family family) {
    const auto& address = used.at(family);
    return address && find_address(interface, address->ip);
  });
  for (const Family family : kFamilies) {
    const auto& address = used.at(family);
    if (!address || find_address(interface, address->ip)) continue;
    problems.push_back(lost_address(any_left ? kUnderlayFamilyGone : kUnderlayAddressGone,
                                    interface, *address, next, host));
  }
}

bool has_default_route(const HostView& host, Family family) {
  return std::ranges::find(host.default_routes, family, &DefaultRoute::family) !=
         host.default_routes.end();
}

Problem lost_default_route(const Interface& interface, Family family) {
  const bool v4 = family == Family::v4;
  return make_problem(kDefaultRouteGone, interface.name,
                      fmt::format("there is no {}default route any more: peers that are not on the "
                                  "link of {} cannot be reached",
                                  v4 ? "" : "IPv6 ", interface.name),
                      {{"ip", v4 ? "ip" : "ip -6"}});
}

// A host whose IPv6 peers are all on its link may never have had an IPv6 default route. If Linux is
// to take it from router advertisements, which it ignores, it is missing.
void add_lost_default_route(const Interface& interface, const Underlay& used, const HostView& host,
                            std::vector<Problem>& problems) {
  if (used.v4 && !has_default_route(host, Family::v4)) {
    problems.push_back(lost_default_route(interface, Family::v4));
  }
  if (!used.v6 || has_default_route(host, Family::v6)) return;
  if (interface.ignores_advertisements) {
    problems.push_back(make_problem(
        kAdvertisementsIgnored, interface.name,
        fmt::format("there is no IPv6 default route: this host forwards IPv6, so Linux ignores the "
                    "router advertisements on {}",
                    interface.name)));
  } else if (!used.v4) {
    problems.push_back(lost_default_route(interface, Family::v6));
  }
}

// Without advertisements such a route ends with its lifetime. Where another program takes the
// advertisements, as systemd-networkd does, accept_ra is 0, and that program renews the route.
void add_ending_default_route(const Interface& interface, const Underlay& used,
                              const HostView& host, std::vector<Problem>& problems) {
  if (!used.v6 || !interface.ignores_advertisements) return;
  const bool ends = std::ranges::any_of(host.default_routes, [&](const DefaultRoute& route) {
    return route.family == Family::v6 && route.advertised &&
           route.interface_index == interface.index;
  });
  if (!ends) return;
  problems.push_back(make_problem(
      kDefaultRouteEnds, interface.name,
      fmt::format("the IPv6 default route by {} is from a router advertisement and will end: this "
                  "host forwards IPv6, so Linux ignores further ones",
                  interface.name)));
}

}  // namespace

UnderlayState underlay_state(const Underlay& used, const UnderlayRequest& request,
                             const HostView& host) {
  const Interface* const interface = find_interface(used, host);
  UnderlayState state{
      .underlay = used, .next = choose_next(interface, used, request, host), .problems = {}};
  if (interface == nullptr) {
    state.problems.push_back(gone(used, state.next));
    return state;
  }
  add_lost_addresses(*interface, used, state.next, host, state.problems);
  state.underlay.interface = interface->name;
  state.underlay.interface_index = interface->index;
  state.underlay.mtu = interface->mtu;
  if (!interface->up) {
    state.problems.push_back(
        make_problem(kUnderlayDown, interface->name, interface->name + " is down"));
  } else if (!interface->carrier) {
    state.problems.push_back(
        make_problem(kUnderlayNoCarrier, interface->name, interface->name + " has no carrier"));
  }
  if (goes_by_default_route(request))
    add_lost_default_route(*interface, used, host, state.problems);
  add_ending_default_route(*interface, used, host, state.problems);
  return state;
}

}  // namespace flannel
