// SPDX-License-Identifier: Apache-2.0
// Requests and decoders for routes and next-hop objects.
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "kernel/netlink/rtnetlink.h"
#include "net/socket_address.h"

namespace flannel {
namespace {

rtmsg route_header(const IpPrefix& to) {
  rtmsg header{};
  header.rtm_family = socket_family(to.family());
  header.rtm_dst_len = to.bits;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = kRouteProtocol;
  header.rtm_scope = RT_SCOPE_UNIVERSE;
  header.rtm_type = RTN_UNICAST;
  return header;
}

std::uint32_t route_flags(const Route& route) {
  return route.onlink ? RTNH_F_ONLINK : 0;
}

void put_metric(NetlinkBatch& batch, Family family) {
  if (const std::uint32_t metric = route_metric(family)) batch.put(RTA_PRIORITY, metric);
}

void put_mtu(NetlinkBatch& batch, const Route& route) {
  batch.nest(RTA_METRICS, [&] { batch.put(RTAX_MTU, route.mtu); });
}

void put_path(NetlinkBatch& batch, int link, const Route& route) {
  if (!route.via.is_unspecified()) {
    const Family family = route.via.family;
    family == route.to.family() ? batch.put(RTA_GATEWAY, route.via)
                                : batch.put_via(RTA_VIA, socket_family(family), route.via);
  }
  batch.put(RTA_OIF, static_cast<std::uint32_t>(link));
}

// A gateway of another family than the route's destination (struct rtvia).
std::optional<IpAddress> decode_via(NetlinkBytes bytes) {
  const auto header = take_header<sa_family_t>(bytes);
  if (!header || *header > UINT8_MAX) return std::nullopt;
  const auto family = decode_family(static_cast<std::uint8_t>(*header));
  return family ? decode_ip(bytes, *family) : std::nullopt;
}

std::optional<IpAddress> gateway_of(const NetlinkAttributes<RTA_NH_ID>& attributes, Family family) {
  const auto same = attributes.ip(RTA_GATEWAY, family);
  return same ? same : decode_via(attributes.at(RTA_VIA));
}

void blackhole(NetlinkBatch& batch, std::uint16_t type, std::uint16_t flags, const IpPrefix& to) {
  rtmsg header = route_header(to);
  header.rtm_type = RTN_BLACKHOLE;
  batch.begin(type, flags, header);
  batch.put(RTA_DST, to.base);
  batch.put(RTA_PRIORITY, kLastMetric);
}

}  // namespace

std::optional<Family> decode_family(std::uint8_t address_family) {
  if (address_family == AF_INET) return Family::v4;
  if (address_family == AF_INET6) return Family::v6;
  return std::nullopt;
}

std::optional<RouteRow> decode_route(NetlinkBytes payload) {
  const auto header = take_header<rtmsg>(payload);
  if (!header) return std::nullopt;
  const auto family = decode_family(header->rtm_family);
  if (!family || header->rtm_dst_len > address_bits(*family)) return std::nullopt;
  const NetlinkAttributes<RTA_NH_ID> attributes(payload);
  RouteRow row;
  row.to = IpPrefix::of(attributes.ip(RTA_DST, *family).value_or(IpAddress::unspecified(*family)),
                        header->rtm_dst_len);
  row.table = attributes.number<std::uint32_t>(RTA_TABLE).value_or(header->rtm_table);
  row.protocol = header->rtm_protocol;
  row.type = header->rtm_type;
  row.metric = attributes.number<std::uint32_t>(RTA_PRIORITY).value_or(0);
  row.tos = header->rtm_tos;
  row.onlink = (header->rtm_flags & RTNH_F_ONLINK) != 0;
  row.multipath = attributes.has(RTA_MULTIPATH);
  row.cloned = (header->rtm_flags & RTM_F_CLONED) != 0;
  row.via = gateway_of(attributes, *family);
  row.link = attributes.number<std::int32_t>(RTA_OIF).value_or(0);
  row.nexthop = attributes.number<std::uint32_t>(RTA_NH_ID).value_or(0);
  row.source = attributes.ip(RTA_PREFSRC, *family);
  const NetlinkAttributes<RTAX_MTU> metrics(attributes.at(RTA_METRICS));
  row.mtu = metrics.number<std::uint32_t>(RTAX_MTU).value_or(0);
  return row;
}

void put_route(NetlinkBatch& batch, int link, const Route& route) {
  rtmsg header = route_header(route.to);
  header.rtm_flags = route_flags(route);
  batch.begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, header);
  batch.put(RTA_DST, route.to.base);
  put_metric(batch, route.to.family());
  if (route.mtu != 0) put_mtu(batch, route);
  put_path(batch, link, route);
}

void put_network_route(NetlinkBatch& batch, int link, const Address& address) {
  constexpr std::uint32_t kMetricOfAddresses = 256;  // IP6_RT_PRIO_ADDRCONF
  const IpPrefix network = IpPrefix::of(address.ip, address.bits);
  const bool is_v4 = address.ip.is_v4();
  rtmsg header = route_header(network);
  header.rtm_protocol = RTPROT_KERNEL;
  if (is_v4) header.rtm_scope = RT_SCOPE_LINK;
  batch.begin(RTM_NEWROUTE, NLM_F_CREATE | (is_v4 ? NLM_F_REPLACE : NLM_F_APPEND), header);
  batch.put(RTA_DST, network.base);
  batch.put(RTA_OIF, static_cast<std::uint32_t>(link));
  is_v4 ? batch.put(RTA_PREFSRC, address.ip) : batch.put(RTA_PRIORITY, kMetricOfAddresses);
}

// An IPv4 route without any metrics is to Linux (6.18) the same as one by the same next hop that
// has some, and stays as it is. An MTU of 0 is a metric, and none when the route is read.
void put_route_by_nexthop(NetlinkBatch& batch, const Route& route, std::uint32_t nexthop,
                          bool fresh) {
  batch.begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route_header(route.to));
  batch.put(RTA_DST, route.to.base);
  put_metric(batch, route.to.family());
  if (route.mtu != 0 || !fresh) put_mtu(batch, route);
  batch.put(RTA_NH_ID, nexthop);
}

void delete_route(NetlinkBatch& batch, int link, const Route& route) {
  rtmsg header = route_header(route.to);
  if (route.foreign) {
    header.rtm_protocol = RTPROT_BOOT;
    header.rtm_scope = RT_SCOPE_NOWHERE;  // of any scope
  }
  batch.begin(RTM_DELROUTE, 0, header);
  batch.put(RTA_DST, route.to.base);
  put_metric(batch, route.to.family());
  put_path(batch, link, route);
}

void delete_route_by_nexthop(NetlinkBatch& batch, const IpPrefix& to, std::uint32_t nexthop) {
  batch.begin(RTM_DELROUTE, 0, route_header(to));
  batch.put(RTA_DST, to.base);
  put_metric(batch, to.family());
  batch.put(RTA_NH_ID, nexthop);
}

void put_blackhole(NetlinkBatch& batch, const IpPrefix& to) {
  blackhole(batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, to);
}

void delete_blackhole(NetlinkBatch& batch, const IpPrefix& to) {
  blackhole(batch, RTM_DELROUTE, 0, to);
}

bool is_ours(const RouteRow& row) {
  if (row.table != RT_TABLE_MAIN || row.protocol != kRouteProtocol || row.tos != 0) return false;
  if (row.type == RTN_BLACKHOLE) return row.metric == kLastMetric;
  return row.type == RTN_UNICAST && row.metric == route_metric(row.to.family()) && !row.multipath;
}

bool is_ours(const NexthopRow& row) {
  return row.protocol == kRouteProtocol;
}

void dump_routes(NetlinkBatch& batch, Family family, std::uint8_t protocol) {
  rtmsg header{};
  header.rtm_family = socket_family(family);
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = protocol;
  batch.begin(RTM_GETROUTE, 0, header);
}

void get_path(NetlinkBatch& batch, const IpAddress& to) {
  rtmsg header{};
  header.rtm_family = socket_family(to.family);
  header.rtm_dst_len = address_bits(to.family);
  batch.begin(RTM_GETROUTE, 0, header);
  batch.put(RTA_DST, to);
}

void get_forward_path(NetlinkBatch& batch, const IpAddress& from, const IpAddress& to, int in) {
  rtmsg header{};
  header.rtm_family = socket_family(to.family);
  header.rtm_dst_len = address_bits(to.family);
  header.rtm_src_len = address_bits(from.family);
  batch.begin(RTM_GETROUTE, 0, header);
  batch.put(RTA_DST, to);
  batch.put(RTA_SRC, from);
  if (in != 0) batch.put(RTA_IIF, static_cast<std::uint32_t>(in));
}

std::optional<NexthopRow> decode_nexthop(NetlinkBytes payload) {
  const auto header = take_header<nhmsg>(payload);
  if (!header) return std::nullopt;
  const NetlinkAttributes<NHA_GATEWAY> attributes(payload);
  const auto id = attributes.number<std::uint32_t>(NHA_ID);
  if (!id) return std::nullopt;
  NexthopRow row;
  row.id = *id;
  row.protocol = header->nh_protocol;
  row.onlink = (header->nh_flags & RTNH_F_ONLINK) != 0;
  if (const auto family = decode_family(header->nh_family)) {
    row.via = attributes.ip(NHA_GATEWAY, *family);
  }
  row.link = attributes.number<std::int32_t>(NHA_OIF).value_or(0);
  return row;
}

void put_nexthop(NetlinkBatch& batch, std::uint32_t id, int link, const Route& route, bool fresh) {
  nhmsg header{};
  header.nh_family = socket_family(route.via.family);
  header.nh_protocol = kRouteProtocol;
  header.nh_flags = route_flags(route);
  batch.begin(RTM_NEWNEXTHOP, NLM_F_CREATE | (fresh ? NLM_F_EXCL : NLM_F_REPLACE), header);
  batch.put(NHA_ID, id);
  batch.put(NHA_OIF, static_cast<std::uint32_t>(link));
  batch.put(NHA_GATEWAY, route.via);
}

void delete_nexthop(NetlinkBatch& batch, std::uint32_t id) {
  batch.begin(RTM_DELNEXTHOP, 0, nhmsg{});
  batch.put(NHA_ID, id);
}

void dump_nexthops(NetlinkBatch& batch) {
  batch.begin(RTM_GETNEXTHOP, 0, nhmsg{});
}

}  // namespace flannel
