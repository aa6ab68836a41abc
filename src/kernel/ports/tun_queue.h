// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace flannel {

inline constexpr int kMostTunDevices = 64;  // flannel0 .. flannel63

// One queue of the TUN device, which is made if there is none. `flags`: IFF_*, as TUNSETIFF takes
// them. ErrorKind::exists: it is in use; invalid: it was made with other flags.
Result<Fd> attach_tun_queue(const std::string& name, unsigned flags);

}  // namespace flannel
