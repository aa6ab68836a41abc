// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace flannel {

// "v0.1.0": of the CMake project.
std::string_view version();

}  // namespace flannel
