// SPDX-License-Identifier: Apache-2.0
// Opens and resumes the sockets of udp_port.h.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/log.h"
#include "kernel/ports/udp_port.h"

namespace flannel {
namespace {

bool set(const Fd& socket, int level, int option, int value) {
  return ::setsockopt(socket.get(), level, option, &value, sizeof value) == 0;
}

// A full buffer blocks the sending thread, and so the queue of the device. The limit lets a thread
// end even if the underlay stands still (a switch that pauses us, a virtual host that stalls).
constexpr timeval kLongestSend{.tv_sec = 0, .tv_usec = 100'000};

// Sets the buffer sizes, beyond net.core.*mem_max if we are allowed to. The kernel doubles the
// values.
void set_limits(const Fd& socket, const UdpSocketOptions& options) {
  if (!set(socket, SOL_SOCKET, SO_RCVBUFFORCE, options.receive_buffer)) {
    set(socket, SOL_SOCKET, SO_RCVBUF, options.receive_buffer);
  }
  if (!set(socket, SOL_SOCKET, SO_SNDBUFFORCE, options.send_buffer)) {
    set(socket, SOL_SOCKET, SO_SNDBUF, options.send_buffer);
  }
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kLongestSend, sizeof kLongestSend);
}

UdpAbilities ask_offloads(const std::vector<Fd>& sockets, const UdpAbilities& wanted) {
  UdpAbilities abilities = wanted;
  for (const Fd& socket : sockets) {
    abilities.cut = abilities.cut && set(socket, SOL_UDP, UDP_SEGMENT, 0);
    abilities.join = set(socket, SOL_UDP, UDP_GRO, wanted.join ? 1 : 0) && abilities.join;
  }
  if (abilities != UdpAbilities{true, true}) {
    log::warning("UDP socket without some offloads, packets will cost more",
                 {{"cuts", abilities.cut}, {"joins", abilities.join}});
  }
  return abilities;
}

Result<Fd> open_socket(const UdpSocketOptions& options) {
  const std::string what = "open UDP port " + to_string(options.local);
  Fd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!socket) return os_error(what);
  if (options.sockets > 1 && !set(socket, SOL_SOCKET, SO_REUSEPORT, 1)) return os_error(what);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options.local.port);
  address.sin_addr.s_addr = htonl(options.local.ip.v4_value());
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const auto failed = os_error(what);
    if (failed.value().kind == ErrorKind::exists) {
      return fail(ErrorKind::exists,
                  fmt::format("{}: \"ss -lnup sport = {}\" names the program that has it",
                              failed.value().text, options.local.port));
    }
    if (failed.value().kind != ErrorKind::denied) return failed;
    return fail(ErrorKind::denied, failed.value().text +
                                       " (a port below 1024 needs CAP_NET_BIND_SERVICE and "
                                       "--keep-privileges)");
  }
  set_limits(socket, options);
  return socket;
}

Result<IpEndpoint> bound_to(const Fd& socket) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return os_error("resume a UDP socket");
  }
  if (address.sin_family != AF_INET) {
    return fail(ErrorKind::invalid, "resume a UDP socket: it is not an IPv4 socket");
  }
  return IpEndpoint{IpAddress::v4(ntohl(address.sin_addr.s_addr)), ntohs(address.sin_port)};
}

}  // namespace

Result<UdpSockets> open_udp(const UdpSocketOptions& options) {
  UdpSockets opened;
  for (int i = 0; i < options.sockets; ++i)
    opened.sockets.push_back(TRY(open_socket(options)));
  opened.abilities = ask_offloads(opened.sockets, options.wanted);
  return opened;
}

Result<std::vector<Fd>> duplicate(const std::vector<Fd>& sockets) {
  std::vector<Fd> copies;
  for (const Fd& socket : sockets) {
    copies.emplace_back(::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0));
    if (!copies.back()) return os_error("duplicate a UDP socket");
  }
  return copies;
}

Result<UdpSockets> resume_udp(std::vector<Fd> sockets, const UdpSocketOptions& options) {
  for (const Fd& socket : sockets) {
    const IpEndpoint local = TRY(bound_to(socket));
    if (local != options.local) {
      return fail(ErrorKind::conflict,
                  fmt::format("resume UDP port {}: the socket kept is bound to {}",
                              to_string(options.local), to_string(local)));
    }
    set_limits(socket, options);
  }
  UdpSockets resumed{.abilities = ask_offloads(sockets, options.wanted), .sockets = {}};
  resumed.sockets = std::move(sockets);
  return resumed;
}

}  // namespace flannel
