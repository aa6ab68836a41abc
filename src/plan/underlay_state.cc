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

std::string restart_would_take(const UnderlayRequest& request, const HostView& host) {
  const auto choice = choose_underlay(request, host);
  if (!choice) return {};
  return fmt::format(", or restart flanneld to use {} of {}", to_string(choice->underlay.v4->ip),
                     choice->underlay.interface);
}

std::string gone(const Underlay& used, const UnderlayRequest& request, const HostView& host) {
  return fmt::format("the interface {} is gone: nothing passes until it is back with {}{}",
                     used.interface, to_string(used.v4->ip), restart_would_take(request, host));
}

std::string lost_address(const Interface& interface, const Underlay& used,
                         const UnderlayRequest& request, const HostView& host) {
  std::string holder;
  for (const Interface& other : host.interfaces) {
    if (find_address(other, used.v4->ip)) holder = fmt::format(" ({} has it now)", other.name);
  }
  const std::string role =
      used.v4->ip == used.v4->public_ip ? "to which all peers send" : "it sends from";
  return fmt::format("{} has lost {}, {}{}: put it back (ip address add {}/.. dev {}){}",
                     interface.name, to_string(used.v4->ip), role, holder, to_string(used.v4->ip),
                     interface.name, restart_would_take(request, host));
}

std::string other_mtu(const Interface& interface, const Underlay& used) {
  const std::string_view harm =
      interface.mtu < used.mtu ? "large packets are lost until " : "it is used once ";
  return fmt::format("{} has MTU {} now, it had {} at the start: {}flanneld is restarted",
                     interface.name, interface.mtu, used.mtu, harm);
}

}  // namespace

UnderlayState underlay_state(const Underlay& used, const UnderlayRequest& request,
                             const HostView& host) {
  UnderlayState state{.underlay = used, .troubles = {}};
  const Interface* const interface = find_interface(used, host);
  if (interface == nullptr) {
    state.troubles.push_back({gone(used, request, host), true});
    return state;
  }
  if (!find_address(*interface, used.v4->ip)) {
    state.troubles.push_back({lost_address(*interface, used, request, host), true});
  }
  state.underlay.interface = interface->name;
  state.underlay.interface_index = interface->index;
  if (!interface->up) {
    state.troubles.push_back(
        {fmt::format("{0} is down: ip link set {0} up", interface->name), true});
  } else if (!interface->carrier) {
    state.troubles.push_back(
        {fmt::format("{} has no carrier: is its cable, or the other end of it, plugged in and up?",
                     interface->name),
         true});
  }
  if (interface->mtu != used.mtu) state.troubles.push_back({other_mtu(*interface, used)});
  const bool by_default_route = request.interfaces.empty() && request.regexes.empty() &&
                                request.can_reach.empty() && request.public_ip.empty();
  if (by_default_route && host.default_routes.empty()) {
    state.troubles.push_back(
        {fmt::format("there is no default route any more: peers that are not "
                     "on the link of {} cannot be reached",
                     interface->name)});
  }
  return state;
}

}  // namespace flannel
