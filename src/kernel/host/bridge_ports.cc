// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/bridge_ports.h"

#include <net/if.h>

#include <algorithm>
#include <optional>

#include "kernel/netlink/netlink_socket.h"
#include "kernel/netlink/rtnetlink.h"

namespace flannel {
namespace {

// nullopt: the kernel does not know it now.
Result<std::optional<Mac>> mac_of(NetlinkSocket& socket, int bridge, const IpAddress& container) {
  NetlinkBatch request;
  dump_neighbours(request, bridge);
  const auto rows = TRY(dump_rows(socket, request, decode_neighbour));
  for (const NeighbourRow& row : rows) {
    if (row.link == bridge && row.ip == container && row.mac != Mac{}) return row.mac;
  }
  return std::nullopt;
}

Result<bool> is_behind(NetlinkSocket& socket, int port, const Mac& mac) {
  NetlinkBatch request;
  dump_fdb(request, port);
  const auto rows = TRY(dump_rows(socket, request, decode_fdb));
  return std::ranges::any_of(rows,
                             [&](const FdbRow& row) { return row.link == port && row.mac == mac; });
}

}  // namespace

Result<std::vector<std::string>> bridge_ports(const std::string& device,
                                              const IpAddress& container) {
  std::vector<std::string> all;
  const auto bridge = static_cast<int>(::if_nametoindex(device.c_str()));
  if (bridge == 0) return all;
  NetlinkSocket socket = TRY(NetlinkSocket::open());
  NetlinkBatch request;
  dump_ports(request, bridge);
  const auto ports = TRY(dump_rows(socket, request, decode_link));
  const auto mac = TRY(mac_of(socket, bridge, container));
  for (const LinkRow& port : ports) {
    if (port.bridge != bridge) continue;
    if (mac && TRY(is_behind(socket, port.index, *mac))) return std::vector{port.name};
    all.push_back(port.name);
  }
  return all;
}

}  // namespace flannel
