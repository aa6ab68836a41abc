// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"
#include "core/node_id.h"

namespace flannel {

// The node id kept in `path`; on the first start a random one is made and written (0644; its
// directory 0755). A file that is not a node id is an error and is left as it is: a new id would
// change the MAC that all peers know.
Result<NodeId> load_or_make_node_id(const std::string& path);

// The id with the boot of this machine, /proc/sys/kernel/random/boot_id.
Result<NodeTag> load_or_make_node_tag(const std::string& path);

}  // namespace flannel
