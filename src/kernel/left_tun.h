// SPDX-License-Identifier: Apache-2.0
// Devices by the name of a TUN device of ours, and what of them an earlier run left.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernel/netlink_socket.h"
#include "net/address.h"

namespace flannel {

// What the kernel says of a device, as far as TUN devices are concerned.
struct TunFacts {
  int index = 0;
  bool is_tun = false;
  bool persistent = false;
  bool multi_queue = false;
  std::uint32_t queues = 0;  // in use; always 0 for a device with one queue

  // It may be an earlier run's; that nobody has it open shows when it is attached to.
  bool may_be_left() const { return is_tun && persistent && queues == 0; }
};

// Nothing: there is no such device.
Result<std::optional<TunFacts>> look_at_tun(NetlinkSocket& socket, const std::string& name);

enum class AddressIn { network, elsewhere, nowhere };
// Where the device has its IPv4 addresses; `network` if one of them is there.
Result<AddressIn> find_address(NetlinkSocket& socket, const TunFacts& device, const Cidr4& network);

// ErrorKind::exists: somebody has it open.
Result<void> remove_left_tun(const std::string& name, const TunFacts& device);

// Removes every flannel%d that an earlier run left with an address in `network`; their names.
Result<std::string> remove_left_tuns(const Cidr4& network);

// The flannel%d into which the kernel sends packets for one of `addresses`, left or in use.
Result<std::vector<std::string>> tuns_in_the_way(std::span<const Ip4> addresses);
// False: somebody has it open, or it is not persistent; it stays.
Result<bool> remove_if_left(const std::string& name);

}  // namespace flannel
