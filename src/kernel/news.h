// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "base/fd.h"
#include "kernel/netlink_message.h"

namespace flannel {

// What there is to read of a netlink socket that listens to groups; at most a turn's worth, as
// others wait for their turn too. `on_message` for each message of the kernel, `on_lost` whenever
// some were lost. True: nothing is left; false: there may be more, and the socket stays readable.
bool receive_news(const Fd& socket, std::span<std::byte> buffer,
                  const std::function<void(const NetlinkMessage&)>& on_message,
                  const std::function<void()>& on_lost);

}  // namespace flannel
