// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "dataplane/udp_path.h"
#include "kernel/ports/tun.h"
#include "kernel/ports/udp_port.h"

namespace flannel {

// A lane over one queue of a TUN device, which is not blocking, and one UDP socket, whose sends
// wait for a tenth of a second at most; they have the abilities that open_tun and open_udp found.
Result<UdpPath::Lane> open_lane(Fd queue, TunAbilities tun, Fd socket, UdpAbilities udp);

}  // namespace flannel
