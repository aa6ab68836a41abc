// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/packet_way.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>

#include "kernel/netlink/netlink_socket.h"
#include "kernel/netlink/rtnetlink.h"
#include "kernel/netlink/wireguard_socket.h"

namespace flannel {
namespace {

constexpr std::uint16_t kUsable = NUD_PERMANENT | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE;

Result<void> add_neighbour(NetlinkSocket& socket, const RouteRow& route, const IpAddress& next,
                           PacketWay& way) {
  NetlinkBatch request;
  dump_neighbours(request, route.link);
  const auto rows = TRY(dump_rows(socket, request, decode_neighbour));
  for (const NeighbourRow& row : rows) {
    if (row.link == route.link && row.ip == next && (row.state & kUsable) != 0) {
      way.neighbour = row.mac;
    }
  }
  return {};
}

Result<void> add_remote(NetlinkSocket& socket, const RouteRow& route, PacketWay& way) {
  NetlinkBatch request;
  dump_fdb(request, route.link);
  const auto rows = TRY(dump_rows(socket, request, decode_fdb));
  for (const FdbRow& row : rows) {
    if (row.link == route.link && row.mac == way.neighbour && row.remote) way.remote = row.remote;
  }
  return {};
}

// The peer with the longest prefix that has the address; nullptr: none has.
const WireguardPeerRow* find_peer(const WireguardRow& device, const IpAddress& destination) {
  const WireguardPeerRow* found = nullptr;
  int bits = -1;
  for (const WireguardPeerRow& peer : device.peers) {
    for (const IpPrefix& prefix : peer.allowed) {
      if (!prefix.contains(destination) || prefix.bits <= bits) continue;
      found = &peer;
      bits = prefix.bits;
    }
  }
  return found;
}

Result<void> add_endpoint(const RouteRow& route, const IpAddress& destination, PacketWay& way) {
  WireguardSocket socket = TRY(WireguardSocket::open());
  const WireguardRow device = TRY(socket.read(route.link));
  way.local_port = device.port;
  const WireguardPeerRow* peer = find_peer(device, destination);
  if (peer == nullptr || !peer->endpoint) return {};
  way.remote = peer->endpoint->ip;
  way.remote_port = peer->endpoint->port;
  if (peer->last_handshake == 0) return {};
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  way.handshake_age = std::chrono::duration_cast<std::chrono::seconds>(now) -
                      std::chrono::seconds(peer->last_handshake);
  return {};
}

Result<void> add_device(NetlinkSocket& socket, const RouteRow& route, PacketWay& way) {
  NetlinkBatch request;
  get_link(request, route.link);
  const auto link = TRY(ask_row(socket, request, decode_link));
  if (!link) return fail(ErrorKind::not_found, "the device of the route is gone");
  way.device = link->name;
  way.kind = link->kind;
  way.is_up = link->up;
  way.mtu = route.mtu == 0 ? link->mtu : std::min(link->mtu, route.mtu);
  return {};
}

Result<RouteRow> find_route(NetlinkSocket& socket, const IpAddress& source,
                            const IpAddress& destination, const std::string& in) {
  const int index = in.empty() ? 0 : static_cast<int>(::if_nametoindex(in.c_str()));
  if (!in.empty() && index == 0) return fail(ErrorKind::not_found, "no device " + in);
  NetlinkBatch request;
  get_forward_path(request, source, destination, index);
  const auto route = TRY(ask_row(socket, request, decode_route));
  if (!route) return fail(ErrorKind::system, "the kernel's answer is no route");
  return *route;
}

bool has_device(const RouteRow& route) {
  return route.link != 0 && route.type == RTN_UNICAST;
}

}  // namespace

Result<PacketWay> packet_way(const IpAddress& source, const IpAddress& destination,
                             const std::string& in) {
  const std::string what = "find the route to " + to_string(destination);
  NetlinkSocket socket = TRY(NetlinkSocket::open());
  const RouteRow route = TRY_DURING(find_route(socket, source, destination, in), what);
  PacketWay way;
  way.via = route.via;
  way.is_local = route.type == RTN_LOCAL;
  way.is_refused =
      route.type == RTN_BLACKHOLE || route.type == RTN_UNREACHABLE || route.type == RTN_PROHIBIT;
  if (!has_device(route)) return way;
  TRY_DURING(add_device(socket, route, way), what);
  if (way.kind == "ipip") way.remote = way.via;
  if (way.device == kWireguardDevice || way.device == kWireguardDevice6) {
    const auto added = add_endpoint(route, destination, way);
    if (!added && added.error().kind != ErrorKind::denied) {
      return Failure(Error(added.error()).during(what));
    }
  }
  TRY(add_neighbour(socket, route, way.via.value_or(destination), way));
  if (way.kind == "vxlan" && way.neighbour) TRY(add_remote(socket, route, way));
  return way;
}

Result<std::string> packet_device(const IpAddress& source, const IpAddress& destination,
                                  const std::string& in) {
  NetlinkSocket socket = TRY(NetlinkSocket::open());
  const RouteRow route = TRY(find_route(socket, source, destination, in));
  PacketWay way;
  if (has_device(route)) TRY(add_device(socket, route, way));
  return way.device;
}

}  // namespace flannel
