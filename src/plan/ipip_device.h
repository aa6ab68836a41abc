// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace flannel {

// The name of the ipip backend's device, which is upstream's. A network namespace has one.
inline constexpr std::string_view kIpipDevice = "flannel.ipip";

}  // namespace flannel
