// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/options.h"

namespace flannel {

// Returns the settings as others may see them: without passwords, tokens, and the user names and
// passwords of URLs. Names of files stay.
Settings public_settings(const Settings& settings);

}  // namespace flannel
