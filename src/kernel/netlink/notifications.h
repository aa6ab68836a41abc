// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "base/fd.h"
#include "kernel/netlink/netlink_message.h"

namespace flannel {

// Reads the notifications that wait in a netlink socket, at most 1024 datagrams in one call, so
// that the other users of the loop get their turn. Calls `on_message` for each message of the
// kernel, and `on_lost` whenever the kernel reports that it dropped some. Returns true if the queue
// is empty now; false if it may hold more, and the socket stays readable.
bool read_notifications(const Fd& socket, std::span<std::byte> buffer,
                        const std::function<void(const NetlinkMessage&)>& on_message,
                        const std::function<void()>& on_lost);

}  // namespace flannel
