// SPDX-License-Identifier: Apache-2.0
// TUN devices that have a name of ours, and the removal of stale ones, which an earlier run left.
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

// What the kernel says about a device, as far as it concerns TUN devices.
struct TunFacts {
  int index = 0;
  bool is_tun = false;
  bool persistent = false;
  bool multi_queue = false;
  std::uint32_t queues = 0;  // open ones; always 0 for a device with a single queue

  // True if an earlier run may have left it. Only attaching to a device with a single queue shows
  // whether a process has it open.
  bool may_be_stale() const { return is_tun && persistent && queues == 0; }
};

// nullopt: there is no such device.
Result<std::optional<TunFacts>> read_tun(NetlinkSocket& socket, const std::string& name);

enum class AddressIn { network, elsewhere, nowhere };
// Where the device has its IPv4 addresses; `network` if at least one is inside of it.
Result<AddressIn> find_address(NetlinkSocket& socket, const TunFacts& device, const Cidr4& network);

// ErrorKind::exists: a process has it open.
Result<void> remove_stale_tun(const std::string& name, const TunFacts& device);

// Removes each stale flannel%d that has an address in `network`; returns their names, separated by
// spaces.
Result<std::string> remove_stale_tuns(const Cidr4& network);

// The flannel%d devices, stale or in use, to which the kernel routes one of `addresses`.
Result<std::vector<std::string>> tuns_in_the_way(std::span<const Ip4> addresses);
// Returns false if the device stays, because a process has it open or it is not persistent.
Result<bool> remove_if_stale(const std::string& name);

}  // namespace flannel
