// SPDX-License-Identifier: Apache-2.0
// Writes /proc/sys in the network namespace of the calling thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace flannel {

// `name` with slashes, since device names have dots: "net/ipv4/conf/flannel.1/forwarding".
// ErrorKind::not_found: this kernel or device has no such value.
Result<void> write_sysctl(const std::string& name, std::string_view value);

}  // namespace flannel
