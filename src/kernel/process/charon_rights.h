// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace flannel {

// If a charon that this process starts would lack a capability that it needs, a sentence that says
// so and what to do; empty if it has all.
std::string missing_charon_rights();

}  // namespace flannel
