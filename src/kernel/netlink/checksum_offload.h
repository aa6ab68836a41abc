// SPDX-License-Identifier: Apache-2.0
// The setting `ethtool -K DEVICE tx on|off` of a device: whether packets leave it with checksums
// that a device below it is to fill in.
#pragma once

#include <string>

#include "base/result.h"

namespace flannel {

// ErrorKind::not_found: there is no such device.
Result<bool> offloads_checksums(const std::string& device);
// Needs CAP_NET_ADMIN. Off: the kernel fills checksums in itself, and cuts large packets itself.
Result<void> set_checksum_offload(const std::string& device, bool on);

}  // namespace flannel
