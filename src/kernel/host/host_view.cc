// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/host_view.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "base/file.h"
#include "kernel/host/ipv6_settings.h"
#include "kernel/netlink/netlink_socket.h"
#include "kernel/netlink/route_dump.h"
#include "kernel/netlink/rtnetlink.h"
#include "plan/surroundings.h"

namespace flannel {
namespace {

InterfaceAddress as_value(const AddressRow& row) {
  return {.ip = row.ip,
          .bits = row.bits,
          .permanent = (row.flags & IFA_F_PERMANENT) != 0,
          .temporary = (row.flags & IFA_F_TEMPORARY) != 0,
          .deprecated = (row.flags & IFA_F_DEPRECATED) != 0,
          .unproven = (row.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) != 0};
}

Result<std::vector<Interface>> read_interfaces(NetlinkSocket& socket) {
  NetlinkBatch links;
  dump_links(links);
  std::vector<Interface> interfaces;
  const auto link_rows = TRY(dump_rows(socket, links, decode_link));
  for (const LinkRow& row : link_rows) {
    interfaces.push_back({.index = row.index,
                          .name = row.name,
                          .mtu = row.mtu,
                          .up = row.up,
                          .carrier = row.carrier,
                          .addresses = {}});
  }
  std::ranges::sort(interfaces, {}, &Interface::index);

  NetlinkBatch addresses;
  dump_addresses(addresses, 0);
  const auto address_rows = TRY(dump_rows(socket, addresses, decode_address));
  for (const AddressRow& row : address_rows) {
    const auto at = std::ranges::lower_bound(interfaces, row.link, {}, &Interface::index);
    if (at != interfaces.end() && at->index == row.link) at->addresses.push_back(as_value(row));
  }
  for (Interface& interface : interfaces) {
    const bool has_ipv6 =
        std::ranges::any_of(interface.addresses, [](const InterfaceAddress& address) {
          return address.ip.is_v6() && !address.ip.is_link_local();
        });
    interface.ignores_advertisements = has_ipv6 && ignores_advertisements(interface.name);
  }
  return interfaces;
}

Result<void> read_routes(NetlinkSocket& socket, HostView& view) {
  const auto rows = TRY(route_rows(socket, RTPROT_UNSPEC));
  for (const RouteRow& row : rows) {
    if (row.table != RT_TABLE_MAIN || row.type != RTN_UNICAST || row.protocol == kRouteProtocol) {
      continue;
    }
    view.routes.push_back({row.to, row.link, row.via, row.metric});
    if (row.to.bits != 0) continue;
    DefaultRoute route{.family = row.to.family(),
                       .source = row.source,
                       .gateway = row.via,
                       .advertised = row.protocol == RTPROT_RA};
    if (row.link != 0) route.interface_index = row.link;
    view.default_routes.push_back(route);
  }
  return {};
}

// A local resolver forwards to other servers; systemd's resolver lists them in its own file.
std::vector<IpAddress> read_name_servers() {
  std::vector<IpAddress> servers;
  for (const char* path : {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}) {
    const auto text = read_file(path);
    if (!text) continue;
    const std::vector<IpAddress> named = parse_name_servers(*text);
    std::ranges::copy_if(named, std::back_inserter(servers),
                         [](IpAddress ip) { return !ip.is_loopback() && !ip.is_unspecified(); });
    if (std::ranges::none_of(named, &IpAddress::is_loopback)) break;
  }
  return servers;
}

Result<RouteLookup> look_up_route(NetlinkSocket& socket, IpAddress to) {
  NetlinkBatch request;
  get_path(request, to);
  const std::string what = "find the route to " + to_string(to);
  const auto row = TRY_DURING(ask_row(socket, request, decode_route), what);
  if (!row || row->link == 0) {
    return fail(ErrorKind::system, what + ": the kernel's answer names no interface");
  }
  return RouteLookup{row->link, row->source.value_or(IpAddress::unspecified(to.family)), row->via};
}

}  // namespace

Result<HostView> read_host() {
  auto socket = std::make_shared<NetlinkSocket>(TRY(NetlinkSocket::open()));
  HostView view;
  view.interfaces = TRY_DURING(read_interfaces(*socket), "list interfaces");
  TRY_DURING(read_routes(*socket, view), "list routes");
  view.name_servers = read_name_servers();
  view.has_ipv6 = kernel_has_ipv6();
  view.lookup_route = [socket](IpAddress to) { return look_up_route(*socket, to); };
  return view;
}

}  // namespace flannel
