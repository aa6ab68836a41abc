// SPDX-License-Identifier: Apache-2.0
// What the udp backend of flannel v0.10 does with packets, system call for system call: the far
// end of interoperation tests, and the measure of bench/udp. Static peers, no store.
//
//   reference_forwarder --tun flannel0 --subnet 10.5.1.0/24 --local 192.0.2.1:8285 --mtu 1472
//                       --peer 10.5.2.0/24=192.0.2.2:8285 [--peer ..]
//
// The device is left for the caller to set up ("ready" is printed when it is there).
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/fd.h"
#include "net/checksum.h"
#include "net/icmp.h"
#include "net/ip4_header.h"
#include "support/static_peers.h"

namespace {

using namespace flannel;

struct Route {
  IpPrefix to;
  sockaddr_in next_hop{};
};

class Forwarder {
 public:
  explicit Forwarder(const StaticOverlay& overlay)
      : tunnel_address_(overlay.host.v4->tunnel_address), buffer_(overlay.host.mtu) {
    open_tun(overlay.device);
    open_socket(overlay.local.front());
    for (const OverlayPeer& peer : overlay.peers)
      routes_.push_back({peer.subnet, to_sockaddr(peer.endpoint)});
  }

  [[noreturn]] void run() {
    pollfd fds[2] = {{tun_.get(), POLLIN, 0}, {socket_.get(), POLLIN, 0}};
    for (;;) {
      if (::poll(fds, 2, -1) < 0) give_up("poll");
      // Both are tried as long as either has something; an empty read costs less than a poll.
      while (static_cast<int>(tun_to_udp()) + static_cast<int>(udp_to_tun()) > 0) {
      }
    }
  }

 private:
  static sockaddr_in to_sockaddr(IpEndpoint endpoint) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    address.sin_addr.s_addr = htonl(endpoint.ip.v4_value());
    return address;
  }

  void open_tun(const std::string& name) {
    tun_ = Fd{::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK)};
    ifreq request{};
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
    if (!tun_ || ::ioctl(tun_.get(), TUNSETIFF, &request) != 0) give_up("open the TUN device");
  }

  void open_socket(IpEndpoint local) {
    socket_ = Fd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    const sockaddr_in address = to_sockaddr(local);
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      give_up("bind the socket");
    }
  }

  const sockaddr_in* find_route(IpAddress to) {
    for (Route& route : routes_) {
      if (!route.to.contains(to)) continue;
      std::swap(route, routes_.front());
      return &routes_.front().next_hop;
    }
    return nullptr;
  }

  bool tun_to_udp() {
    const ssize_t size = ::read(tun_.get(), buffer_.data(), buffer_.size());
    if (size < static_cast<ssize_t>(kIp4HeaderMin)) return false;
    const ByteSpan packet{buffer_.data(), static_cast<std::size_t>(size)};
    const sockaddr_in* next_hop = find_route(IpAddress::v4(load_be32(packet, 16)));
    if (next_hop == nullptr) {
      send_unreachable(packet);
    } else if (age(packet)) {
      ::sendto(socket_.get(), packet.data(), packet.size(), 0,
               reinterpret_cast<const sockaddr*>(next_hop), sizeof *next_hop);
    }
    return true;
  }

  bool udp_to_tun() {
    const ssize_t size = ::recv(socket_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (size < static_cast<ssize_t>(kIp4HeaderMin)) return false;
    const ByteSpan packet{buffer_.data(), static_cast<std::size_t>(size)};
    if (age(packet)) {
      while (::write(tun_.get(), packet.data(), packet.size()) < 0 && errno == EAGAIN) {
      }
    }
    return true;
  }

  static bool age(ByteSpan packet) {
    if (packet[8] <= 1) return false;
    decrement_ttl(packet);
    return true;
  }

  void send_unreachable(ByteView offender) {
    if (offender[9] == kProtocolIcmp) return;
    const auto packet = make_icmp_error({}, tunnel_address_, 8, offender);
    if (packet && ::write(tun_.get(), packet->bytes.data(), packet->size) < 0) give_up("answer");
  }

  [[noreturn]] static void give_up(const char* what) {
    fmt::print(stderr, "reference_forwarder: {}: {}\n", what, std::strerror(errno));
    std::exit(1);
  }

  IpAddress tunnel_address_;
  std::vector<std::uint8_t> buffer_;
  std::vector<Route> routes_;
  Fd tun_;
  Fd socket_;
};

}  // namespace

int main(int argc, char** argv) {
  const flannel::StaticOverlay overlay = flannel::parse_static_overlay(argc, argv);
  if (!overlay.host.v4 || overlay.local.empty()) {
    fmt::print(stderr, "reference_forwarder: IPv4 only, with --subnet and --local\n");
    return 2;
  }
  Forwarder forwarder(overlay);
  fmt::print("ready\n");
  std::fflush(stdout);
  forwarder.run();
}
