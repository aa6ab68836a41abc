// SPDX-License-Identifier: Apache-2.0
#include "kernel/objects/leftovers.h"
#include "kernel/netlink/route_dump.h"

#include <fmt/format.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "kernel/netlink/devices.h"
#include "kernel/netlink/link_kind.h"
#include "kernel/objects/ipsec_policies.h"

namespace flannel {
namespace {

// Empty: not one of our devices.
std::string_view backend_of(const LinkRow& row) {
  if (!row.settings) return {};
  const LinkKind& kind = kind_of(*row.settings);
  return kind.is_our_name(row.name, *row.settings) ? kind.backend : std::string_view();
}

constexpr std::string_view kIpsecBackend = "ipsec";

using Links = std::map<int, LinkRow>;

// Routes by the underlay are counted as host-gw's; the routes of vxlan with DirectRouting look the
// same.
std::string_view backend_of(int link, const Links& links) {
  const auto at = links.find(link);
  const std::string_view own = at == links.end() ? std::string_view() : backend_of(at->second);
  return own.empty() ? "host-gw" : own;
}

std::string name_of(int link, const Links& links) {
  const auto at = links.find(link);
  return at == links.end() ? fmt::format("{}", link) : at->second.name;
}

// The networks that WireGuard devices of ours have routes to: each has a blackhole behind it.
std::set<IpPrefix> encrypted_networks(const std::vector<RouteRow>& routes, const Links& links) {
  std::set<IpPrefix> networks;
  for (const RouteRow& row : routes) {
    if (is_ours(row) && backend_of(row.link, links) == kWireguardLink.backend) {
      networks.insert(row.to);
    }
  }
  return networks;
}

// Only root may list them, unlike all else here.
Result<std::vector<IpsecPolicy>> visible_policies() {
  auto policies = all_policies();
  if (!policies && policies.error().kind == ErrorKind::denied) return std::vector<IpsecPolicy>();
  return policies;
}

// A route to one of these leads into a tunnel.
std::set<IpPrefix> tunnelled_subnets(const std::vector<IpsecPolicy>& policies) {
  std::set<IpPrefix> subnets;
  for (const IpsecPolicy& policy : policies) {
    const bool is_tunnel = policy.action == IpsecPolicy::Action::tunnel;
    if (is_tunnel && policy.direction == IpsecPolicy::Direction::out) subnets.insert(policy.to);
  }
  return subnets;
}

Leftover leftover_of(RouteRow row, const Links& links, std::map<std::uint32_t, NexthopRow>& ids,
                     const std::set<IpPrefix>& encrypted) {
  if (row.type == RTN_BLACKHOLE) {
    const bool is_behind = encrypted.contains(row.to);
    return {.backend = is_behind ? kWireguardLink.backend : std::string_view(),
            .text = "blackhole " + to_string(row.to),
            .row = std::move(row)};
  }
  const auto id = ids.find(row.nexthop);
  const int link = row.link == 0 && id != ids.end() ? id->second.link : row.link;
  const auto via = row.via || id == ids.end() ? row.via : id->second.via;
  const Route route{.to = row.to,
                    .via = via.value_or(IpAddress{}),
                    .link = name_of(link, links),
                    .onlink = row.onlink};
  return {.backend = backend_of(link, links),
          .text = to_string(KernelObject(route)),
          .row = std::move(row)};
}

void write_removal(NetlinkBatch& batch, const Leftover& leftover) {
  if (const auto* link = std::get_if<LinkRow>(&leftover.row)) {
    delete_link(batch, link->index);
  } else if (const auto* nexthop = std::get_if<NexthopRow>(&leftover.row)) {
    delete_nexthop(batch, nexthop->id);
  } else if (const auto& row = std::get<RouteRow>(leftover.row); row.type == RTN_BLACKHOLE) {
    delete_blackhole(batch, row.to);
  } else if (row.nexthop != 0) {
    delete_route_by_nexthop(batch, row.to, row.nexthop);
  } else {
    delete_route(
        batch, row.link,
        {.to = row.to, .via = row.via.value_or(IpAddress{}), .link = {}, .onlink = row.onlink});
  }
}

}  // namespace

Result<std::vector<Leftover>> find_leftovers(NetlinkSocket& socket) {
  NetlinkBatch ask_links, ask_nexthops;
  dump_links(ask_links);
  Links links;
  for (LinkRow& row : TRY_DURING(dump_rows(socket, ask_links, decode_link), "list the devices"))
    links.emplace(row.index, std::move(row));

  dump_nexthops(ask_nexthops);
  auto nexthops = dump_rows(socket, ask_nexthops, decode_nexthop);
  if (!nexthops && nexthops.error().kind != ErrorKind::unsupported) {
    return Failure(std::move(nexthops.error()).during("list the next hops"));
  }
  std::map<std::uint32_t, NexthopRow> ids;
  if (nexthops) {
    for (const NexthopRow& row : *nexthops)
      ids.emplace(row.id, row);
  }

  std::vector<Leftover> found;
  const auto policies = TRY_DURING(visible_policies(), "list the IPsec policies");
  const std::set<IpPrefix> tunnelled = tunnelled_subnets(policies);
  auto routes = TRY_DURING(route_rows(socket, kRouteProtocol), "list our routes");
  const std::set<IpPrefix> encrypted = encrypted_networks(routes, links);
  for (RouteRow& row : routes) {
    if (!is_ours(row)) continue;
    const bool is_tunnelled = tunnelled.contains(row.to);
    found.push_back(leftover_of(std::move(row), links, ids, encrypted));
    if (is_tunnelled) found.back().backend = kIpsecBackend;
  }
  for (const auto& [id, row] : ids) {
    if (!is_ours(row)) continue;
    found.push_back({backend_of(row.link, links),
                     fmt::format("nexthop id {} dev {}", id, name_of(row.link, links)), row});
  }
  for (const auto& [index, row] : links) {
    const std::string_view backend = backend_of(row);
    if (!backend.empty()) found.push_back({backend, "device " + row.name, row});
  }
  for (const IpsecPolicy& policy : policies)
    found.push_back({kIpsecBackend, to_string(policy), policy});
  return found;
}

Result<std::vector<LeftDevice>> left_tunnels(NetlinkSocket& socket,
                                             std::span<const IpPrefix> networks) {
  NetlinkBatch ask_addresses, ask_links;
  dump_addresses(ask_addresses, 0);
  std::set<int> in_network;
  for (const AddressRow& row :
       TRY_DURING(dump_rows(socket, ask_addresses, decode_address), "list the addresses")) {
    const auto has_it = [&row](const IpPrefix& network) { return network.contains(row.ip); };
    if (std::ranges::any_of(networks, has_it)) in_network.insert(row.link);
  }
  std::vector<LeftDevice> left;
  Devices devices(socket);
  dump_links(ask_links);
  for (const LinkRow& row :
       TRY_DURING(dump_rows(socket, ask_links, decode_link), "list the devices")) {
    if (backend_of(row).empty() || !kind_of(*row.settings).put_new) continue;
    left.push_back({TRY(devices.as_link(row)), in_network.contains(row.index)});
  }
  return left;
}

std::vector<Result<void>> remove_leftovers(NetlinkSocket& socket,
                                           std::span<const Leftover> leftovers) {
  NetlinkBatch batch;
  std::vector<std::size_t> asked;
  std::vector<Result<void>> results(leftovers.size());
  for (std::size_t i = 0; i < leftovers.size(); ++i) {
    if (std::holds_alternative<IpsecPolicy>(leftovers[i].row)) continue;
    write_removal(batch, leftovers[i]);
    asked.push_back(i);
  }
  auto outcomes = socket.transact(batch);
  for (std::size_t request = 0; request < asked.size(); ++request)
    results[asked[request]] = std::move(outcomes[request]);
  // The routes go first, and what blocks goes last, so that no packet leaves in clear.
  for (const bool blocks : {false, true}) {
    for (std::size_t i = 0; i < leftovers.size(); ++i) {
      const auto* policy = std::get_if<IpsecPolicy>(&leftovers[i].row);
      if (policy == nullptr || (policy->action == IpsecPolicy::Action::block) != blocks) continue;
      results[i] = remove_policy(*policy);
    }
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i]) continue;
    Error& error = results[i].error();
    if (error.kind == ErrorKind::not_found) {
      results[i] = {};
    } else {
      results[i] = Failure(std::move(error).during("remove " + leftovers[i].text));
    }
  }
  return results;
}

}  // namespace flannel
