// SPDX-License-Identifier: Apache-2.0
#include "net/socket_address.h"

#include <arpa/inet.h>

#include <cstring>

namespace flannel {

SocketAddress::SocketAddress(const IpEndpoint& endpoint) : SocketAddress() {
  const auto octets = endpoint.ip.octets();
  if (endpoint.ip.is_v4()) {
    ip4_.sin_family = AF_INET;
    ip4_.sin_port = htons(endpoint.port);
    std::memcpy(&ip4_.sin_addr, octets.data(), octets.size());
  } else {
    ip6_.sin6_family = AF_INET6;
    ip6_.sin6_port = htons(endpoint.port);
    std::memcpy(&ip6_.sin6_addr, octets.data(), octets.size());
  }
}

IpEndpoint SocketAddress::endpoint() const {
  IpEndpoint endpoint;
  if (any_.sa_family == AF_INET) {
    endpoint.port = ntohs(ip4_.sin_port);
    std::memcpy(endpoint.ip.bytes.data(), &ip4_.sin_addr, sizeof ip4_.sin_addr);
  } else if (any_.sa_family == AF_INET6) {
    endpoint = {IpAddress::unspecified(Family::v6), ntohs(ip6_.sin6_port)};
    std::memcpy(endpoint.ip.bytes.data(), &ip6_.sin6_addr, sizeof ip6_.sin6_addr);
  }
  return endpoint;
}

}  // namespace flannel
