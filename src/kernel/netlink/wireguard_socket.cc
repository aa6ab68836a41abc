// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/wireguard_socket.h"

#include <linux/netlink.h>
#include <linux/wireguard.h>

#include <utility>

#include "kernel/netlink/generic_netlink.h"

namespace flannel {

Result<WireguardSocket> WireguardSocket::open() {
  NetlinkSocket socket =
      TRY(NetlinkSocket::open(NetlinkSocket::Options{.protocol = NETLINK_GENERIC}));
  NetlinkBatch request;
  get_generic_family(request, WG_GENL_NAME);
  const auto family =
      TRY_DURING(ask_row(socket, request, decode_generic_family), "ask the kernel for WireGuard");
  if (!family) return fail(ErrorKind::system, "the kernel's answer about WireGuard is damaged");
  return WireguardSocket(std::move(socket), *family);
}

Result<WireguardRow> WireguardSocket::read(int index) {
  NetlinkBatch request;
  dump_wireguard(request, family_, index);
  const NetlinkReply reply = TRY(socket_.dump(request));
  WireguardRow row{.index = index};
  NetlinkReader reader = reply.messages();
  while (const auto message = reader.next()) {
    if (!add_wireguard(message->payload, row)) {
      return fail(ErrorKind::system, "a message about WireGuard is damaged");
    }
  }
  finish(row);
  return row;
}

std::vector<Result<void>> WireguardSocket::transact(NetlinkBatch& batch) {
  return socket_.transact(batch);
}

}  // namespace flannel
