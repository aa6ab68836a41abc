// SPDX-License-Identifier: Apache-2.0
// The network configurations of simulated clusters.
#pragma once

#include <string>
#include <string_view>

#include "core/lease.h"
#include "core/network_config.h"

namespace flannel::simulation {

// The families that a configuration enables.
enum class Enabled { v4, both, v6 };

// What an operator changes of the ranges of a network.
struct Ranges {
  bool grown = false;   // the network has twice its size
  bool halved = false;  // new subnets have half of the usual size
};

// Each family has 31 subnets, more in a grown network or of half the size. `backend`: "host-gw" or
// "vxlan". `port`: of vxlan; 0: its default.
std::string config_text(Enabled families, std::string_view backend, Ranges ranges = {},
                        int port = 0);

Enabled families_of(const NetworkConfig& config);
Ranges ranges_of(const NetworkConfig& config);

// New hosts may have a subnet as these.
bool is_allowed(const NetworkConfig& config, const SubnetKey& key);

}  // namespace flannel::simulation
