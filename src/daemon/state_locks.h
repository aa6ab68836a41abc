// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace flannel {

// Locks the state folder for this host (a network namespace of this boot of this machine) until the
// descriptors are closed. All daemons of one host may share it. ErrorKind::exists: another host has
// it; with one node id and one MAC address each of the two would take the other's lease for its
// own. If nothing can be locked in the folder the result is empty, and a warning is logged if the
// folder has a node id.
Result<std::vector<Fd>> lock_state_folder(const std::string& folder);

// Locks the subnet file for this daemon, whatever path leads to it. ErrorKind::exists: another
// daemon has it. Empty if nothing can be locked there.
Result<std::vector<Fd>> lock_subnet_file(const std::string& path);

}  // namespace flannel
