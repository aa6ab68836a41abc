// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/host_state.h"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/file.h"
#include "kernel/host/source_check.h"
#include "kernel/netlink/devices.h"
#include "kernel/netlink/route_dump.h"

namespace flannel {
namespace {

// False if the value cannot be read: a device may be removed at any time, and a kernel may lack
// IPv6.
bool has_value(const std::string& sysctl, char digit) {
  const auto text = read_file("/proc/sys/net/" + sysctl);
  return text && text->starts_with(digit);
}

// In IPv4 each device forwards by its own setting, and ip_forward sets all of them. In IPv6 the
// device's `forwarding` makes it a router's, which takes no router advertisements; forwarded is by
// the setting for all, or by the device's force_forwarding (Linux 6.17).
void read_forwarding(const HostQuery& query, HostState& state) {
  const bool v4 = query.family() == Family::v4;
  state.ip_forward = !has_value(v4 ? "ipv4/ip_forward" : "ipv6/conf/all/forwarding", '0');
  std::vector<std::string> forwarders = query.devices;
  forwarders.insert(forwarders.end(), state.bridges.begin(), state.bridges.end());
  std::ranges::copy_if(
      forwarders, std::back_inserter(state.not_forwarding), [&](const std::string& name) {
        if (v4) return has_value("ipv4/conf/" + name + "/forwarding", '0');
        return !state.ip_forward && !has_value("ipv6/conf/" + name + "/force_forwarding", '1');
      });
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

Result<void> read_bridges(NetlinkSocket& socket, Devices& devices, const HostQuery& query,
                          HostState& state) {
  NetlinkBatch request;
  dump_addresses(request, 0);
  const auto rows = TRY(dump_rows(socket, request, decode_address));
  for (const AddressRow& row : rows) {
    if (!query.own_subnet.contains(row.ip)) continue;
    auto name = TRY(devices.name_of(row.link));
    const bool known = contains(query.devices, name) || contains(state.bridges, name);
    if (!name.empty() && !known) state.bridges.push_back(std::move(name));
  }
  return {};
}

Result<void> read_ports(NetlinkSocket& socket, Devices& devices, HostState& state) {
  for (const std::string& bridge : state.bridges) {
    const LinkRow* row = TRY(devices.find(bridge));
    if (row == nullptr || row->kind != "bridge") continue;
    NetlinkBatch request;
    dump_ports(request, row->index);
    for (const LinkRow& port : TRY(dump_rows(socket, request, decode_link))) {
      if (port.bridge == row->index) state.ports.push_back({bridge, port.name, port.mtu});
    }
  }
  return {};
}

Result<void> read_other_routes(NetlinkSocket& socket, Devices& devices, const HostQuery& query,
                               HostState& state) {
  const auto rows = TRY(route_rows(socket, RTPROT_UNSPEC));
  for (const RouteRow& row : rows) {
    const bool is_other = row.table == RT_TABLE_MAIN && row.protocol != kRouteProtocol;
    if (!is_other || row.tos != 0 || !query.network.contains(row.to)) continue;
    // The kernel's own route for the address of the udp device.
    if (row.protocol == RTPROT_KERNEL && row.to == query.network) continue;
    // IPv6 gives a route that refuses the loopback device.
    auto name = row.type == RTN_UNICAST ? TRY(devices.name_of(row.link)) : std::string();
    state.routes.push_back({.to = row.to, .device = std::move(name), .metric = row.metric});
  }
  return {};
}

}  // namespace

Result<HostState> read_host_state(const HostQuery& query) {
  NetlinkSocket socket = TRY(NetlinkSocket::open());
  Devices devices(socket);
  HostState state;
  TRY_DURING(read_bridges(socket, devices, query, state), "list addresses");
  if (query.ports) TRY_DURING(read_ports(socket, devices, state), "list the ports of bridges");
  TRY_DURING(read_other_routes(socket, devices, query, state), "list routes");
  read_forwarding(query, state);
  if (!query.one_way.empty()) {
    state.one_way_is_strict = is_source_check_strict(query.one_way);
    state.refused_sources = packets_with_refused_source();
  }
  return state;
}

}  // namespace flannel
