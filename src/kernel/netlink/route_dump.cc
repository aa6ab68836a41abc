// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/route_dump.h"

namespace flannel {

Result<std::vector<RouteRow>> route_rows(NetlinkSocket& socket, std::uint8_t protocol) {
  NetlinkBatch request;
  dump_routes(request, protocol);
  auto rows = dump_rows(socket, request, decode_route);
  if (!rows && rows.error().kind == ErrorKind::not_found) return std::vector<RouteRow>{};
  return rows;
}

}  // namespace flannel
