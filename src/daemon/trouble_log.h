// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "plan/host_trouble.h"

namespace flannel {

// What is new in `now` is logged as a warning, what is over as information; each once. `what`: of
// which part of the host they are. False: nothing changed.
bool log_troubles(std::string_view what, const std::vector<HostTrouble>& before,
                  const std::vector<HostTrouble>& now);

bool nothing_passes(const std::vector<HostTrouble>& troubles);

}  // namespace flannel
