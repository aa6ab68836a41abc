// SPDX-License-Identifier: Apache-2.0
// Reads the members of JSON objects in the answers of stores.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"

namespace flannel {

// Both return an empty value if the member is missing. An error names the member and what is wrong
// with it; the caller adds whose answer it is.
Result<std::string> text_member(const nlohmann::json& object, const char* name);
// A counter of changes: 0 or above.
Result<std::int64_t> index_member(const nlohmann::json& object, const char* name);

}  // namespace flannel
