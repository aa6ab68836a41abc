// SPDX-License-Identifier: Apache-2.0
#include "kernel/objects/route_placement.h"

namespace flannel {

void RoutePlacement::reserve(std::size_t routes, std::size_t nexthops) {
  placed_.reserve(routes);
  owners_.reserve(nexthops);
  existing_.reserve(nexthops);
}

void RoutePlacement::found(const Route& route, std::uint32_t nexthop, bool nexthop_is_ours) {
  const Placed placed{route.via, nexthop, nexthop != 0 && nexthop_is_ours};
  const auto [at, is_new] = placed_.try_emplace(route.to, placed);
  if (is_new && route.to.base.is_v4()) ++placed_v4_;
  if (!is_new && nexthop != 0) at->second = placed;
  if (placed.nexthop_is_ours) owners_.insert_or_assign(nexthop, route.to);
}

std::uint32_t RoutePlacement::free_id(const IpPrefix& to) {
  if (next_id_ == 0) next_id_ = static_cast<std::uint32_t>(std::hash<IpPrefix>{}(to));
  std::uint32_t id = 0;
  do {
    id = kFirstId + next_id_++ % kIds;
  } while (owners_.contains(id) || existing_.contains(id));
  return id;
}

RoutePlacement::Form RoutePlacement::place(const Route& route) {
  const bool is_v4 = route.to.base.is_v4();
  const bool is_plain = !is_v4 || route.via.is_unspecified() || placed_v4_ < plain_limit_;
  const auto [at, is_new] = placed_.try_emplace(route.to);
  Placed& placed = at->second;
  placed.via = route.via;
  if (is_new && is_v4) ++placed_v4_;
  if (is_new && !is_plain) {
    placed.nexthop = free_id(route.to);
    placed.nexthop_is_ours = true;
    owners_.emplace(placed.nexthop, route.to);
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
  if (placed_.erase(to) != 0 && to.base.is_v4()) --placed_v4_;
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
