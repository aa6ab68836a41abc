// SPDX-License-Identifier: Apache-2.0
// Finds TUN devices that have one of our names, and removes stale ones, which an earlier run left.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernel/netlink/netlink_socket.h"
#include "net/address.h"

namespace flannel {

// The facts about a device that concern TUN devices.
struct TunFacts {
  int index = 0;
  bool is_tun = false;
  bool persistent = false;
  bool multi_queue = false;
  std::uint32_t queues = 0;  // open queues; always 0 for a device with a single queue

  // True if an earlier run may have left the device. For a device with a single queue, only an
  // attempt to attach shows whether a process has it open.
  bool may_be_stale() const { return is_tun && persistent && queues == 0; }
};

// nullopt: no device has this name.
Result<std::optional<TunFacts>> read_tun(NetlinkSocket& socket, const std::string& name);

enum class AddressIn { network, elsewhere, nowhere };
// Where the device's addresses are, link-local ones apart; `network` if at least one is inside of
// one of `networks`.
Result<AddressIn> find_address(NetlinkSocket& socket, const TunFacts& device,
                               std::span<const IpPrefix> networks);

// ErrorKind::exists: a process has the device open.
Result<void> remove_stale_tun(const std::string& name, const TunFacts& device);

// The flannel%d devices with an address in one of `networks` that an earlier run may have left.
// `holds_queues`: this process has the queues of that run open, so an open device counts too.
Result<std::vector<std::string>> left_tuns(NetlinkSocket& socket,
                                           std::span<const IpPrefix> networks, bool holds_queues);

// The flannel%d devices, stale or in use, to which the kernel routes one of `addresses`.
Result<std::vector<std::string>> tuns_in_the_way(std::span<const IpAddress> addresses);
// Returns false if the device stays, because a process has it open or it is not persistent.
Result<bool> remove_if_stale(const std::string& name);

}  // namespace flannel
