// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>

#include "net/address.h"

namespace flannel {

// An endpoint as the socket calls take and return it.
class SocketAddress {
 public:
  static constexpr socklen_t kMost = sizeof(sockaddr_in6);

  SocketAddress() : ip6_{} {}
  explicit SocketAddress(const IpEndpoint& endpoint);

  // What the kernel wrote to data(); 0.0.0.0:0 if it is of neither family.
  IpEndpoint endpoint() const;

  sockaddr* data() { return &any_; }
  const sockaddr* data() const { return &any_; }
  socklen_t size() const { return any_.sa_family == AF_INET ? sizeof ip4_ : sizeof ip6_; }

 private:
  union {
    sockaddr any_;
    sockaddr_in ip4_;
    sockaddr_in6 ip6_;
  };
};

// AF_INET or AF_INET6, in one byte as netlink has it.
constexpr std::uint8_t socket_family(Family family) {
  return family == Family::v4 ? AF_INET : AF_INET6;
}

}  // namespace flannel
