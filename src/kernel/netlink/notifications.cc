// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/notifications.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>

namespace flannel {
namespace {

constexpr int kDatagramsATurn = 1024;

}  // namespace

bool read_notifications(const Fd& socket, std::span<std::byte> buffer,
                        const std::function<void(const NetlinkMessage&)>& on_message,
                        const std::function<void()>& on_lost) {
  for (int turn = 0; turn < kDatagramsATurn; ++turn) {
    sockaddr_nl from{};
    socklen_t length = sizeof from;
    const auto size = ::recvfrom(socket.get(), buffer.data(), buffer.size(), MSG_TRUNC,
                                 reinterpret_cast<sockaddr*>(&from), &length);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return true;
    if (size < 0 || static_cast<std::size_t>(size) > buffer.size()) {
      // ENOBUFS: the queue was full; its content can still be read.
      const bool goes_on = size >= 0 || errno == ENOBUFS;
      on_lost();
      if (goes_on) continue;
      return true;
    }
    if (from.nl_pid != 0) continue;  // not from the kernel
    NetlinkReader reader(NetlinkBytes(buffer).first(static_cast<std::size_t>(size)));
    while (const auto message = reader.next())
      on_message(*message);
  }
  return false;
}

}  // namespace flannel
