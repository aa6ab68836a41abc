// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/unix_listeners.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>

#include <utility>

#include "kernel/netlink/netlink_batch.h"
#include "kernel/netlink/netlink_socket.h"

namespace flannel {
namespace {

// unix_diag uses the states of <netinet/tcp.h>.
constexpr std::uint32_t kListens = 10;
// <linux/unix_diag.h> of older kernels lacks these names.
constexpr std::uint32_t kShowOwner = 0x40;
constexpr std::size_t kOwner = 7;

std::optional<UnixListener> decode_listener(NetlinkBytes payload) {
  const auto header = take_header<unix_diag_msg>(payload);
  if (!header) return std::nullopt;
  const NetlinkAttributes<kOwner> attributes(payload);
  const NetlinkBytes name = attributes.at(UNIX_DIAG_NAME);
  if (name.empty() || name.front() != std::byte{0}) return std::nullopt;  // no name, or a path
  return UnixListener{std::string(reinterpret_cast<const char*>(name.data()) + 1, name.size() - 1),
                      attributes.number<std::uint32_t>(kOwner)};
}

}  // namespace

Result<std::vector<UnixListener>> unix_listeners(std::string_view prefix) {
  auto socket =
      TRY(NetlinkSocket::open({.receive_buffer = 256 << 10, .protocol = NETLINK_SOCK_DIAG}));
  NetlinkBatch request;
  request.begin(SOCK_DIAG_BY_FAMILY, 0,
                unix_diag_req{.sdiag_family = AF_UNIX,
                              .sdiag_protocol = 0,
                              .pad = 0,
                              .udiag_states = 1U << kListens,
                              .udiag_ino = 0,
                              .udiag_show = UDIAG_SHOW_NAME | kShowOwner,
                              .udiag_cookie = {}});
  auto found = TRY_DURING(dump_rows(socket, request, decode_listener), "list Unix sockets");
  std::erase_if(found, [&](const UnixListener& one) { return !one.name.starts_with(prefix); });
  return found;
}

}  // namespace flannel
