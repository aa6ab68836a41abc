// SPDX-License-Identifier: Apache-2.0
// What the parts of the catalogue share, and those that are about what tells hosts apart.
#pragma once

#include <string>

#include "simulation/world.h"

namespace flannel::simulation {

// Mostly short, sometimes longer than a lease lives.
Duration some_while(World& world);
double in_seconds(Duration time);
// The key of a host's lease, or of any subnet.
std::string some_victim(World& world);
// Rarely for ever.
Ttl some_ttl(World& world);

// config_faults.cc
void change_config(World& world);

// identity_faults.cc
void change_address(World& world);
void hand_on_address(World& world);
void share_address(World& world);
void join_as_a_copy(World& world);
void lose_state(World& world);
void lose_subnet_file(World& world);
void forge_mac(World& world);
void claim_address(World& world);

}  // namespace flannel::simulation
