// SPDX-License-Identifier: Apache-2.0
// What a device that an earlier run left says of the backend of that run.
#pragma once

#include "core/lease.h"
#include "plan/link_settings.h"

namespace flannel {

// What the lease of that run announced. A TUN device does not name the port.
AnnouncedBackend backend_of(const LinkSettings& device);

// Adds to `lease` what that run announced: the backend, and the type and data that other releases
// read. Several devices of one run add to the same lease.
void announce(const LinkSettings& device, LeaseAttributes& lease);

}  // namespace flannel
