// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/route_dump.h"

#include <iterator>

namespace flannel {
namespace {

Result<std::vector<RouteRow>> route_rows(NetlinkSocket& socket, Family family,
                                         std::uint8_t protocol) {
  NetlinkBatch request;
  dump_routes(request, family, protocol);
  auto rows = dump_rows(socket, request, decode_route);
  if (!rows && rows.error().kind == ErrorKind::not_found) return std::vector<RouteRow>{};
  // A kernel without IPv6 answers with the routes of the families that it has.
  if (rows) {
    std::erase_if(
        *rows, [family](const RouteRow& row) { return row.to.family() != family || row.cloned; });
  }
  return rows;
}

}  // namespace

Result<std::vector<RouteRow>> route_rows(NetlinkSocket& socket, std::uint8_t protocol) {
  auto rows = TRY(route_rows(socket, Family::v4, protocol));
  auto rows6 = TRY(route_rows(socket, Family::v6, protocol));
  rows.insert(rows.end(), std::make_move_iterator(rows6.begin()),
              std::make_move_iterator(rows6.end()));
  return rows;
}

}  // namespace flannel
