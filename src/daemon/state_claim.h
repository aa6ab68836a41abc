// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace flannel {

// Takes the state folder for this host, which is a network namespace of this boot of this machine,
// for as long as the descriptors are open. The daemons of one host may share it. ErrorKind::exists:
// another host has it; with one node id and one MAC address each of the two would take the other's
// lease for its own. A folder in which nothing can be locked is not taken: a warning says so where
// a node id is in it.
Result<std::vector<Fd>> claim_state_folder(const std::string& folder);

// Takes the subnet file, which belongs to one daemon of all that can reach it. ErrorKind::exists:
// another daemon has it. Where nothing can be locked it is not taken.
Result<std::vector<Fd>> claim_subnet_file(const std::string& path);

}  // namespace flannel
