// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "kernel/netlink/netlink_batch.h"
#include "kernel/netlink/netlink_socket.h"
#include "kernel/netlink/wireguard_messages.h"

namespace flannel {

// Requests to WireGuard devices in the network namespace of the thread that opened it. Not
// thread-safe.
class WireguardSocket {
 public:
  // ErrorKind::not_found: this kernel has no WireGuard, not even as a module.
  static Result<WireguardSocket> open();

  // The device and its peers; ErrorKind::not_found: there is no device of this index.
  Result<WireguardRow> read(int index);
  // Outcomes as those of NetlinkSocket::transact(), for requests to family().
  std::vector<Result<void>> transact(NetlinkBatch& batch);
  std::uint16_t family() const { return family_; }

 private:
  WireguardSocket(NetlinkSocket socket, std::uint16_t family)
      : socket_(std::move(socket)), family_(family) {}

  NetlinkSocket socket_;
  std::uint16_t family_;
};

}  // namespace flannel
