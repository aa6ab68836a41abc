// SPDX-License-Identifier: Apache-2.0
// The network configurations of simulated clusters.
#pragma once

#include <string>
#include <string_view>

#include "core/network_config.h"

namespace flannel::simulation {

// The families that a configuration enables.
enum class Enabled { v4, both, v6 };

// Each family has 31 subnets, in a grown network 63. `backend`: "host-gw" or "vxlan".
std::string config_text(Enabled families, std::string_view backend, bool grown = false);

Enabled families_of(const NetworkConfig& config);
bool is_grown(const NetworkConfig& config);

}  // namespace flannel::simulation
