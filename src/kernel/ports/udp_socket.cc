// SPDX-License-Identifier: Apache-2.0
// Opens and resumes the sockets of udp_port.h.
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <map>

#include "base/log.h"
#include "kernel/ports/udp_port.h"
#include "net/socket_address.h"

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

UdpAbilities ask_offloads(const UdpSockets& opened, const UdpAbilities& wanted) {
  UdpAbilities abilities = wanted;
  for (const auto& queue : opened.queues) {
    for (const UdpSocket& socket : queue) {
      abilities.cut = abilities.cut && set(socket.fd, SOL_UDP, UDP_SEGMENT, 0);
      abilities.join = set(socket.fd, SOL_UDP, UDP_GRO, wanted.join ? 1 : 0) && abilities.join;
    }
  }
  if (abilities != UdpAbilities{true, true}) {
    log::warning("UDP socket without some offloads, packets will cost more",
                 {{"cuts", abilities.cut}, {"joins", abilities.join}});
  }
  return abilities;
}

Failure cannot_bind(const std::string& what, const IpEndpoint& local) {
  auto failed = os_error(what);
  if (failed.value().kind == ErrorKind::exists) {
    return fail(ErrorKind::exists,
                fmt::format("{}: \"ss -lnup sport = {}\" names the program that has it",
                            failed.value().text, local.port));
  }
  if (failed.value().kind != ErrorKind::denied) return failed;
  return fail(ErrorKind::denied, failed.value().text +
                                     " (a port below 1024 needs CAP_NET_BIND_SERVICE and "
                                     "--keep-privileges)");
}

std::string texts(const std::vector<IpEndpoint>& endpoints) {
  std::string all;
  for (const IpEndpoint& one : endpoints)
    all += (all.empty() ? "" : " and ") + to_string(one);
  return all;
}

Result<UdpSocket> open_socket(const IpEndpoint& local, const UdpSocketOptions& options) {
  const std::string what = "open UDP port " + to_string(local);
  const Family family = local.ip.family;
  UdpSocket socket{family, Fd{::socket(socket_family(family), SOCK_DGRAM | SOCK_CLOEXEC, 0)}};
  if (!socket.fd) return os_error(what);
  if (options.queues > 1 && !set(socket.fd, SOL_SOCKET, SO_REUSEPORT, 1)) return os_error(what);
  if (family == Family::v6 && !set(socket.fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) return os_error(what);
  const SocketAddress address(local);
  if (::bind(socket.fd.get(), address.data(), address.size()) != 0) return cannot_bind(what, local);
  set_limits(socket.fd, options);
  return socket;
}

Result<IpEndpoint> bound_to(const Fd& socket) {
  SocketAddress address;
  socklen_t size = SocketAddress::kMost;
  if (::getsockname(socket.get(), address.data(), &size) != 0) {
    return os_error("resume a UDP socket");
  }
  const int family = address.data()->sa_family;
  if (family != AF_INET && family != AF_INET6) {
    return fail(ErrorKind::invalid, "resume a UDP socket: it is not an IP socket");
  }
  return address.endpoint();
}

}  // namespace

Result<UdpSockets> open_udp(const UdpSocketOptions& options) {
  UdpSockets opened;
  for (int i = 0; i < options.queues; ++i) {
    auto& queue = opened.queues.emplace_back();
    for (const IpEndpoint& local : options.local)
      queue.push_back(TRY(open_socket(local, options)));
  }
  opened.abilities = ask_offloads(opened, options.wanted);
  return opened;
}

Result<std::vector<Fd>> duplicate(const UdpSockets& sockets) {
  std::vector<Fd> copies;
  for (const auto& queue : sockets.queues) {
    for (const UdpSocket& socket : queue) {
      copies.emplace_back(::fcntl(socket.fd.get(), F_DUPFD_CLOEXEC, 0));
      if (!copies.back()) return os_error("duplicate a UDP socket");
    }
  }
  return copies;
}

Result<UdpSockets> resume_udp(std::vector<Fd> sockets, const UdpSocketOptions& options) {
  UdpSockets resumed;
  resumed.queues.resize(static_cast<std::size_t>(options.queues));
  std::map<IpEndpoint, std::size_t> counts;
  for (Fd& socket : sockets) {
    const IpEndpoint local = TRY(bound_to(socket));
    const std::size_t queue = counts[local]++;
    if (!std::ranges::count(options.local, local) || queue >= resumed.queues.size()) {
      return fail(ErrorKind::conflict,
                  fmt::format("resume the UDP sockets of {}: one more was kept, bound to {}",
                              texts(options.local), to_string(local)));
    }
    set_limits(socket, options);
    resumed.queues[queue].push_back({local.ip.family, std::move(socket)});
  }
  for (const IpEndpoint& local : options.local) {
    if (counts[local] == resumed.queues.size()) continue;
    return fail(ErrorKind::conflict,
                fmt::format("resume the UDP sockets of {}: {} kept, {} needed", to_string(local),
                            counts[local], resumed.queues.size()));
  }
  resumed.abilities = ask_offloads(resumed, options.wanted);
  return resumed;
}

}  // namespace flannel
