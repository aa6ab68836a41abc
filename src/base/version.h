// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace flannel {

// Returns the version of the CMake project, for example "v0.1.0".
std::string_view version();

}  // namespace flannel
