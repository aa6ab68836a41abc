// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/result.h"
#include "core/network_config.h"

namespace flannel {

// Parses the network's configuration, including the options of its backend.
Result<ParsedConfig> parse_whole_config(std::string_view text);

}  // namespace flannel
