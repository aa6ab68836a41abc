// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "dataplane/ports.h"
#include "kernel/ports/tun.h"
#include "kernel/ports/udp_port.h"

namespace flannel {

// Makes a queue pair of one non-blocking queue of a TUN device and the UDP sockets of one queue,
// whose sends block for at most a tenth of a second. `tun` and `udp` are the abilities that
// open_tun() and open_udp() returned.
Result<QueuePair> open_queue_pair(Fd queue, TunAbilities tun, std::vector<UdpSocket> sockets,
                                  UdpAbilities udp);

}  // namespace flannel
