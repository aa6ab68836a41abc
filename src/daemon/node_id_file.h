// SPDX-License-Identifier: Apache-2.0
// The node id in the state folder, and a number that distinguishes the boots of a host.
#pragma once

#include <string>

#include "base/result.h"
#include "core/node_id.h"

namespace flannel {

// Reads the node id from `path`. At the first start a random one is made and written (mode 0644,
// its folder 0755). If it cannot be read or written, for example on a read-only root, a random one
// is used until the process ends, and a warning is logged. A file that is no node id is an error
// and is left unchanged.
Result<NodeId> load_or_make_node_id(const std::string& path);

// Replaces the node id in `path` by another random one. If it cannot be written, a warning is
// logged.
Result<NodeId> replace_node_id(const std::string& path);

// Returns a number that identifies this boot of the machine and the network namespace of this
// process.
Result<std::uint32_t> this_boot();

}  // namespace flannel
