// SPDX-License-Identifier: Apache-2.0
#include "http/listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

namespace flannel {
namespace {

// Many clients may connect before the accepting thread is scheduled.
constexpr int kBacklog = 1024;

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

struct BindTo {
  SocketAddress address{};
  socklen_t length = 0;
};

Result<BindTo> to_address(const std::string& ip, std::uint16_t port) {
  BindTo to;
  if (::inet_pton(AF_INET, ip.c_str(), &to.address.v4.sin_addr) == 1) {
    to.address.v4.sin_family = AF_INET;
    to.address.v4.sin_port = htons(port);
    to.length = sizeof to.address.v4;
    return to;
  }
  if (::inet_pton(AF_INET6, ip.c_str(), &to.address.v6.sin6_addr) == 1) {
    to.address.v6.sin6_family = AF_INET6;
    to.address.v6.sin6_port = htons(port);
    to.length = sizeof to.address.v6;
    return to;
  }
  return fail(ErrorKind::invalid, "not an IP address");
}

Result<TcpListener> listen_on(const BindTo& to) {
  const int family = to.address.any.sa_family;
  TcpListener listener{Fd{::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)}, 0};
  if (!listener.fd) return os_error("socket");
  const int fd = listener.fd.get();
  const int on = 1;
  // After a restart the port may be in TIME_WAIT. SO_REUSEPORT is not used: with it a second daemon
  // on the port would start without an error and answer half of the requests.
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd, &to.address.any, to.length) != 0) return os_error("bind");
  if (::listen(fd, kBacklog) != 0) return os_error("listen");
  SocketAddress bound{};
  socklen_t length = sizeof bound;
  if (::getsockname(fd, &bound.any, &length) != 0) return os_error("getsockname");
  listener.port = ntohs(family == AF_INET ? bound.v4.sin_port : bound.v6.sin6_port);
  return listener;
}

}  // namespace

Result<TcpListener> listen_tcp(const std::string& ip, std::uint16_t port) {
  const bool v6 = ip.find(':') != std::string::npos;
  const std::string what = "listen on " + (v6 ? "[" + ip + "]" : ip) + ":" + std::to_string(port);
  const BindTo to = TRY_DURING(to_address(ip, port), what);
  return TRY_DURING(listen_on(to), what);
}

}  // namespace flannel
