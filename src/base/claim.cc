// SPDX-License-Identifier: Apache-2.0
#include "base/claim.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>

namespace flannel {
namespace {

// The process that listens at `address`; 0: it cannot be asked, or it has just ended.
pid_t holder(const sockaddr_un& address, socklen_t length) {
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) return 0;
  if (::getsockopt(probe.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return 0;
  return credentials.pid;
}

}  // namespace

Result<Fd> claim(std::string_view what) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = fmt::format("flannel/{}", what);
  if (name.size() >= sizeof(address.sun_path)) {
    return fail(ErrorKind::invalid, fmt::format("claim {}: the name is too long", what));
  }
  std::copy(name.begin(), name.end(), address.sun_path + 1);  // a leading NUL: abstract
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());

  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return os_error(fmt::format("claim {}: open a socket", what));
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    if (errno != EADDRINUSE) return os_error(fmt::format("claim {}", what));
    const pid_t pid = holder(address, length);
    return fail(ErrorKind::exists,
                fmt::format("{} belongs to another flanneld of this host{}", what,
                            pid > 0 ? fmt::format(", process {}", pid) : std::string()));
  }
  // Nobody is ever accepted; listening is what lets others ask who we are.
  if (::listen(socket.get(), 1) != 0) return os_error(fmt::format("claim {}: listen", what));
  return socket;
}

}  // namespace flannel
