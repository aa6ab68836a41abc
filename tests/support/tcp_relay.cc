// SPDX-License-Identifier: Apache-2.0
#include "support/tcp_relay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

namespace flannel {
namespace {

struct Pair {
  Fd client, server;
};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// False when the connection has ended.
bool forward(const Fd& from, const Fd& to, bool swallow) {
  char chunk[65536];
  const ssize_t got = ::recv(from.get(), chunk, sizeof chunk, 0);
  if (got <= 0) return false;
  return swallow || ::send(to.get(), chunk, static_cast<std::size_t>(got), MSG_NOSIGNAL) == got;
}

}  // namespace

TcpRelay::TcpRelay(std::uint16_t to)
    : to_(to),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      wake_(::eventfd(0, EFD_CLOEXEC)) {
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size);
  ::listen(listener_.get(), 16);
  ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

TcpRelay::~TcpRelay() {
  stop_ = true;
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
}

void TcpRelay::cut() {
  cut_ = true;
  ::eventfd_write(wake_.get(), 1);
}

void TcpRelay::run() {
  std::vector<Pair> pairs;
  while (!stop_) {
    std::vector<pollfd> ready = {{wake_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    for (const Pair& pair : pairs) {
      ready.push_back({pair.client.get(), POLLIN, 0});
      ready.push_back({pair.server.get(), POLLIN, 0});
    }
    if (::poll(ready.data(), ready.size(), -1) < 0) continue;
    for (std::size_t i = pairs.size(); i-- > 0;) {
      const bool from_client = ready[2 + 2 * i].revents != 0;
      const bool from_server = ready[3 + 2 * i].revents != 0;
      if ((from_client && !forward(pairs[i].client, pairs[i].server, false)) ||
          (from_server && !forward(pairs[i].server, pairs[i].client, swallow_))) {
        pairs.erase(pairs.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    if (ready[0].revents != 0) {
      eventfd_t count = 0;
      ::eventfd_read(wake_.get(), &count);
      if (cut_.exchange(false)) {
        swallow_ = false;
        pairs.clear();
      }
    }
    if (ready[1].revents != 0) {
      Fd client{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
      Fd server{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
      const sockaddr_in address = loopback(to_);
      if (client && ::connect(server.get(), reinterpret_cast<const sockaddr*>(&address),
                              sizeof address) == 0) {
        pairs.push_back({std::move(client), std::move(server)});
      }
    }
  }
}

}  // namespace flannel
