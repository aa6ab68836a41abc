// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "daemon/options.h"

namespace flannel {

// The settings that differ, by their names.
struct ReloadPlan {
  std::vector<std::string> live;     // take effect while the daemon runs
  std::vector<std::string> restart;  // take effect at the next start only
  bool operator==(const ReloadPlan&) const = default;
};

// Decides what becomes of each setting that is another one in `wanted`.
ReloadPlan plan_reload(const Settings& running, const Settings& wanted);

}  // namespace flannel
