// SPDX-License-Identifier: Apache-2.0
// Reads our objects out of all that the kernel has.
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "kernel/host/source_check.h"
#include "kernel/netlink/checksum_offload.h"
#include "kernel/netlink/link_kind.h"
#include "kernel/netlink/route_dump.h"
#include "kernel/objects/linux_kernel.h"

namespace flannel {
namespace {

// An entry that is one of several remotes of a MAC (flooding) is not ours: our MACs have one each.
bool is_ours(const FdbRow& row) {
  return (row.state & NUD_PERMANENT) != 0 && (row.flags & NTF_SELF) != 0 && row.remote &&
         !row.mac.is_zero() && !row.mac.is_multicast();
}

struct NamedNexthop {
  const NexthopRow& row;
  bool is_named = false;  // by a route
};
using NexthopsById = std::unordered_map<std::uint32_t, NamedNexthop>;

// Ours that no route names.
std::set<std::uint32_t> orphans_among(const NexthopsById& nexthops) {
  std::set<std::uint32_t> orphans;
  for (const auto& [id, nexthop] : nexthops) {
    if (!nexthop.is_named && is_ours(nexthop.row)) orphans.insert(id);
  }
  return orphans;
}

// With net.ipv4.nexthop_compat_mode=0 a route has only the id of its next-hop object.
void fill_in(RouteRow& row, const NexthopRow& nexthop) {
  if (row.link != 0) return;
  row.link = nexthop.link;
  row.via = nexthop.via;
  row.onlink = nexthop.onlink;
}

// The kernel's own route to the network of an address. Those of IPv6 name no source.
bool is_route_of(const AddressRow& address, const RouteRow& route) {
  const bool has_source = address.ip.is_v6() || route.source == address.ip;
  return route.protocol == RTPROT_KERNEL && route.type == RTN_UNICAST &&
         route.table == RT_TABLE_MAIN && route.to == IpPrefix::of(address.ip, address.bits) &&
         route.link == address.link && has_source && !route.via;
}

// Permanent entries of a family that the overlay does not have belong to an operator.
bool is_ours(const NeighbourRow& row, const Scope& scope) {
  return (row.state & NUD_PERMANENT) != 0 && scope.has_family(row.ip.family) &&
         !row.ip.is_link_local();
}

// Other routes of our protocol belong to another scope, or to another daemon.
bool concerns(const Route& route, const Scope& scope) {
  return scope.contains(route.to) || scope.has_link(route.link);
}

}  // namespace

struct LinuxKernel::Reading {
  const Scope& scope;
  Devices devices;
  NetState state;       // for the caller
  LastWritten written;  // for our memory
};

Result<NetState> LinuxKernel::read(const Scope& scope) {
  Reading reading{scope, Devices(socket_), {}, LastWritten(plain_routes_)};
  TRY(read_all(reading));
  last_written_.renew(scope, std::move(reading.written));
  return std::move(reading.state);
}

Result<void> LinuxKernel::read_all(Reading& reading) {
  const auto& names = reading.scope.link_names;
  for (const std::string& name : std::set(names.begin(), names.end())) {
    TRY_DURING(read_link(name, reading), "read " + name);
  }
  TRY_DURING(policies_.read(reading.scope, reading.state.policies), "read IPsec policies");
  TRY_DURING(read_routes(reading), "read our routes");
  TRY_DURING(read_left_routes(reading), "read routes of upstream flannel");
  return {};
}

Result<void> LinuxKernel::read_link(const std::string& name, Reading& reading) {
  const LinkRow* row = TRY(reading.devices.find(name));
  if (!row || !is_of_our_kind(*row)) return {};
  reading.written.links.emplace(name, *row);
  auto link = TRY(reading.devices.as_link(*row));
  link.strict_source_check = is_source_check_strict(row->rp_filter);
  link.software_checksums = has_software_checksums(*row, reading.scope);
  if (std::holds_alternative<WireguardSettings>(link.kind)) {
    TRY(wireguard_.read(*row, link, reading.state.wireguard));
  }
  reading.state.links.push_back(std::move(link));
  TRY(read_addresses(*row, reading));
  TRY(read_neighbours(*row, reading));
  if (kind_of(*row->settings).has_fdb) TRY(read_fdb(*row, reading));
  return {};
}

// A failure is read as "no": the change that follows has the reason.
bool LinuxKernel::has_software_checksums(const LinkRow& row, const Scope& scope) {
  if (!kind_of(*row.settings).has_software_checksums) return false;
  if (!scope.software_checksums && !software_checksums_.contains(row.index)) return false;
  if (offloads_checksums(row.name).value_or(true)) return false;
  software_checksums_.insert(row.index);
  return true;
}

Result<void> LinuxKernel::read_addresses(const LinkRow& link, Reading& reading) {
  NetlinkBatch request;
  dump_addresses(request, link.index);
  const auto rows = TRY(dump_rows(socket_, request, decode_address));
  std::optional<std::vector<RouteRow>> kernels_own;
  for (const AddressRow& row : rows) {
    if (row.link != link.index || !reading.scope.contains(row.ip)) continue;
    Address address{.link = link.name, .ip = row.ip, .bits = row.bits};
    if (address.has_network()) {
      if (!kernels_own) kernels_own = TRY(route_rows(socket_, RTPROT_KERNEL));
      address.routed = std::ranges::any_of(
          *kernels_own, [&row](const RouteRow& route) { return is_route_of(row, route); });
    }
    reading.written.put(link.index, address);
    reading.state.addresses.push_back(std::move(address));
  }
  return {};
}

Result<void> LinuxKernel::read_neighbours(const LinkRow& link, Reading& reading) {
  NetlinkBatch request;
  dump_neighbours(request, link.index);
  const auto rows = TRY(dump_rows(socket_, request, decode_neighbour));
  auto& neighbours = reading.state.neighbours;
  neighbours.reserve(neighbours.size() + rows.size());
  for (const NeighbourRow& row : rows) {
    if (row.link != link.index || !is_ours(row, reading.scope)) continue;
    neighbours.push_back({.link = link.name, .ip = row.ip, .mac = row.mac});
    reading.written.put(link.index, neighbours.back());
  }
  return {};
}

Result<void> LinuxKernel::read_fdb(const LinkRow& link, Reading& reading) {
  NetlinkBatch request;
  dump_fdb(request, link.index);
  const auto rows = TRY(dump_rows(socket_, request, decode_fdb));
  auto& fdb = reading.state.fdb;
  fdb.reserve(fdb.size() + rows.size());
  for (const FdbRow& row : rows) {
    if (row.link != link.index || !is_ours(row)) continue;
    fdb.push_back({.link = link.name, .mac = row.mac, .remote = *row.remote});
    reading.written.put(link.index, fdb.back());
  }
  return {};
}

// The kernel has one list of our routes, so what is remembered of other scopes is read again.
Result<void> LinuxKernel::read_routes(Reading& reading) {
  const auto nexthops = TRY(read_nexthops(reading));
  auto rows = TRY(route_rows(socket_, kRouteProtocol));
  RoutePlacement& placement = reading.written.routes;
  NetState& state = reading.state;
  placement.reserve(rows.size(), nexthops.size());
  NexthopsById by_id;
  by_id.reserve(nexthops.size());
  for (const NexthopRow& row : nexthops) {
    by_id.emplace(row.id, NamedNexthop{row});
    placement.keep_clear_of(row.id);
  }

  state.routes.reserve(rows.size());
  for (RouteRow& row : rows) {
    const auto nexthop = by_id.find(row.nexthop);
    bool object_is_ours = false;
    if (nexthop != by_id.end()) {
      nexthop->second.is_named = true;
      object_is_ours = is_ours(nexthop->second.row);
      fill_in(row, nexthop->second.row);
    }
    if (!is_ours(row)) continue;
    if (row.type == RTN_BLACKHOLE) {
      state.routes.push_back({.to = row.to, .link = {}, .blackhole = true});
      continue;
    }
    auto link = TRY(reading.devices.name_of(row.link));
    if (link.empty()) continue;  // meanwhile removed with its device
    Route route{.to = row.to,
                .via = row.via.value_or(IpAddress{}),
                .link = std::move(link),
                .onlink = row.onlink,
                .mtu = row.mtu};
    if (concerns(route, reading.scope) || last_written_.routes.has(route.to)) {
      placement.found(route, row.nexthop, object_is_ours);
    }
    state.routes.push_back(std::move(route));
  }
  delete_orphans(orphans_among(by_id));
  return {};
}

// Routes of upstream flannel have the protocol boot, like routes made by hand.
Result<void> LinuxKernel::read_left_routes(Reading& reading) {
  const Scope& scope = reading.scope;
  if (scope.own_subnets.empty()) return {};
  const auto rows = TRY(route_rows(socket_, RTPROT_BOOT));
  for (const RouteRow& row : rows) {
    const bool is_to_us = scope.is_own_subnet(row.to) && row.table == RT_TABLE_MAIN;
    if (!is_to_us || row.type != RTN_UNICAST || row.multipath || row.nexthop != 0) continue;
    auto link = TRY(reading.devices.name_of(row.link));
    if (!scope.has_link(link)) continue;
    reading.state.routes.push_back({.to = row.to,
                                    .via = row.via.value_or(IpAddress{}),
                                    .link = std::move(link),
                                    .onlink = row.onlink,
                                    .foreign = true});
  }
  return {};
}

Result<std::vector<NexthopRow>> LinuxKernel::read_nexthops(Reading& reading) {
  NetlinkBatch request;
  dump_nexthops(request);
  auto rows = dump_rows(socket_, request, decode_nexthop);
  if (!rows && rows.error().kind == ErrorKind::unsupported) {
    reading.written.routes.use_plain_only();
    return std::vector<NexthopRow>{};
  }
  return rows;
}

// Another daemon on this host may not yet have put the route for an object that it has just made,
// so an object is deleted only if it was an orphan in the previous read too.
void LinuxKernel::delete_orphans(std::set<std::uint32_t> orphans) {
  NetlinkBatch batch;
  for (const std::uint32_t id : orphans) {
    if (orphans_seen_.contains(id)) delete_nexthop(batch, id);
  }
  orphans_seen_ = std::move(orphans);
  if (batch.empty()) return;
  log::verbose(4, "removing next hops that no route names", {{"count", batch.size()}});
  socket_.transact(batch);
}

}  // namespace flannel
