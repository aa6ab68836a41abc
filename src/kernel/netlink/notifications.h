// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "base/fd.h"
#include "kernel/netlink/netlink_message.h"

namespace flannel {

// Reads the notifications that are queued in a netlink socket, at most 1024 datagrams per call, so
// that other users of the loop are not delayed. Calls `on_message` for each message of the kernel,
// and `on_lost` whenever the kernel reports that it dropped some. Returns true if the queue is
// empty; false if it may hold more, and then the socket is still readable.
bool read_notifications(const Fd& socket, std::span<std::byte> buffer,
                        const std::function<void(const NetlinkMessage&)>& on_message,
                        const std::function<void()>& on_lost);

}  // namespace flannel
