// SPDX-License-Identifier: Apache-2.0
#include "http/listen.h"

#include <sys/socket.h>

#include "net/socket_address.h"

namespace flannel {
namespace {

// Many clients may connect before the accepting thread is scheduled.
constexpr int kBacklog = 1024;

Result<TcpListener> listen_on(const IpEndpoint& endpoint) {
  constexpr int kType = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  TcpListener listener{Fd{::socket(socket_family(endpoint.ip.family), kType, 0)}, 0};
  if (!listener.fd) return os_error("socket");
  const int fd = listener.fd.get();
  const int on = 1;
  // After a restart the port may be in TIME_WAIT. SO_REUSEPORT is not used: with it a second daemon
  // on the port would start without an error and answer half of the requests.
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const SocketAddress address(endpoint);
  if (::bind(fd, address.data(), address.size()) != 0) return os_error("bind");
  if (::listen(fd, kBacklog) != 0) return os_error("listen");
  SocketAddress bound;
  socklen_t length = SocketAddress::kMost;
  if (::getsockname(fd, bound.data(), &length) != 0) return os_error("getsockname");
  listener.port = bound.endpoint().port;
  return listener;
}

}  // namespace

Result<TcpListener> listen_tcp(const std::string& ip, std::uint16_t port) {
  const bool v6 = ip.find(':') != std::string::npos;
  const std::string what = "listen on " + (v6 ? "[" + ip + "]" : ip) + ":" + std::to_string(port);
  const auto address = IpAddress::parse(ip);
  if (!address) return fail(ErrorKind::invalid, what + ": not an IP address");
  return TRY_DURING(listen_on({*address, port}), what);
}

}  // namespace flannel
