// SPDX-License-Identifier: Apache-2.0
#include "kernel/objects/route_placement.h"

namespace flannel {

void RoutePlacement::found(const Route& route, std::uint32_t nexthop, bool nexthop_is_ours) {
  const Placed placed{route.via, nexthop, nexthop != 0 && nexthop_is_ours};
  const auto [at, is_new] = placed_.try_emplace(route.to, placed);
  if (!is_new && nexthop != 0) at->second = placed;
  if (placed.nexthop_is_ours) owners_.insert_or_assign(nexthop, route.to);
}

// The id is the subnet's base address as a number: each peer has one object, and its id names the
// peer. 0: a route to a network with the same base has this id.
std::uint32_t RoutePlacement::free_id_for(const Route& route) const {
  const std::uint32_t id = route.to.base.v4_value();
  return owners_.contains(id) ? 0 : id;
}

RoutePlacement::Form RoutePlacement::place(const Route& route) {
  const bool may_be_plain = placed_.size() < plain_limit_;
  const auto [at, is_new] = placed_.try_emplace(route.to);
  Placed& placed = at->second;
  placed.via = route.via;
  if (is_new && !may_be_plain && !route.via.is_unspecified()) {
    placed.nexthop = free_id_for(route);
    placed.nexthop_is_ours = placed.nexthop != 0;
    if (placed.nexthop_is_ours) owners_.emplace(placed.nexthop, route.to);
  } else if (!placed.nexthop_is_ours || route.via.is_unspecified()) {
    const std::uint32_t unused = placed.nexthop_is_ours ? placed.nexthop : 0;
    make_plain(route.to);
    return {.nexthop = 0, .fresh = is_new, .unused = unused};
  }
  return {.nexthop = placed.nexthop, .fresh = is_new};
}

void RoutePlacement::make_plain(const IpPrefix& to) {
  const auto at = placed_.find(to);
  if (at == placed_.end()) return;
  Placed& placed = at->second;
  if (placed.nexthop_is_ours) owners_.erase(placed.nexthop);
  placed = {.via = placed.via};
}

void RoutePlacement::drop(const IpPrefix& to) {
  make_plain(to);
  placed_.erase(to);
}

RoutePlacement::Form RoutePlacement::take(const Route& route) {
  const auto at = placed_.find(route.to);
  // The recorded route to this destination is another one, and stays.
  if (at == placed_.end() || at->second.via != route.via) return {};
  const Placed placed = at->second;
  drop(route.to);
  return {.nexthop = placed.nexthop, .unused = placed.nexthop_is_ours ? placed.nexthop : 0};
}

}  // namespace flannel
