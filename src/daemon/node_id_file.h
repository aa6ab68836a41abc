// SPDX-License-Identifier: Apache-2.0
// The node id as the state folder keeps it, and what tells this life of the host from others.
#pragma once

#include <string>

#include "base/result.h"
#include "core/node_id.h"

namespace flannel {

// The node id kept in `path`; on the first start a random one is made and written (0644; its
// directory 0755). Where it cannot be read or written (a read-only root, no folder) the random one
// holds for as long as the process lives, and a warning says so. A file that is not a node id is an
// error and is left as it is.
Result<NodeId> load_or_make_node_id(const std::string& path);

// Another random node id in place of the one in `path`; written, or a warning, as above.
Result<NodeId> replace_node_id(const std::string& path);

// Of this boot of the machine and of the network namespace that we are in.
Result<std::uint32_t> this_boot();

}  // namespace flannel
