// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace flannel {

inline constexpr int kMostTunDevices = 64;  // flannel0 to flannel63

// Opens one queue of the TUN device, and creates the device if it does not exist. `flags`: IFF_*,
// as for TUNSETIFF. ErrorKind::exists: the device is in use; invalid: it was created with other
// flags.
Result<Fd> attach_tun_queue(const std::string& name, unsigned flags);

}  // namespace flannel
