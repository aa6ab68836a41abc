// SPDX-License-Identifier: Apache-2.0
// The file in the state folder that remembers, also over restarts and reboots, that checksums of
// packets are filled in by the kernel and not by the network card (`flannelctl doctor --fix`).
#pragma once

#include <string>

#include "base/result.h"

namespace flannel {

// True while the file exists. One that cannot be read does not count.
bool has_software_checksums_file(const std::string& state_folder);
// Makes or removes the file; it may be so already.
Result<void> keep_software_checksums(const std::string& state_folder, bool on);

}  // namespace flannel
