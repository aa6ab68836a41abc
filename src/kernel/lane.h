// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "dataplane/udp_path.h"
#include "kernel/tun.h"
#include "kernel/udp_port.h"

namespace flannel {

// A lane over one queue of a TUN device and one UDP socket, which are not blocking and have the
// abilities that open_tun and open_udp found.
Result<UdpPath::Lane> open_lane(Fd queue, TunAbilities tun, Fd socket, UdpAbilities udp);

}  // namespace flannel
