// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "plan/host_trouble.h"

namespace flannel {

// Logs each new problem as a warning, and each that has ended as information. `what` names the part
// of the host that has the problems. False: nothing has changed.
bool log_troubles(std::string_view what, const std::vector<HostTrouble>& before,
                  const std::vector<HostTrouble>& now);

// True if one of the problems stops all packets of the overlay.
bool nothing_passes(const std::vector<HostTrouble>& troubles);

}  // namespace flannel
