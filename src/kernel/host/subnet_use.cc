// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/subnet_use.h"

#include <linux/rtnetlink.h>

#include "kernel/netlink/devices.h"
#include "kernel/netlink/route_dump.h"

namespace flannel {

Result<std::string> device_in(const IpPrefix& subnet) {
  NetlinkSocket socket = TRY(NetlinkSocket::open());
  Devices devices(socket);
  NetlinkBatch request;
  dump_addresses(request, 0);
  for (const AddressRow& row : TRY(dump_rows(socket, request, decode_address))) {
    if (!subnet.contains(row.ip) || row.ip == subnet.base) continue;
    return TRY(devices.name_of(row.link)) + ", which has " + to_string(row.ip);
  }
  return std::string();
}

Result<std::string> route_over(const IpPrefix& subnet) {
  NetlinkSocket socket = TRY(NetlinkSocket::open());
  Devices devices(socket);
  for (const RouteRow& row : TRY(route_rows(socket, RTPROT_UNSPEC))) {
    if (row.table != RT_TABLE_MAIN || row.to.bits == 0 || !row.to.overlaps(subnet)) continue;
    const std::string device = TRY(devices.name_of(row.link));
    return to_string(row.to) + (device.empty() ? "" : " dev " + device);
  }
  return std::string();
}

}  // namespace flannel
