// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace flannel {

// Compresses into the gzip format (RFC 1952), with its check sum.
Result<std::string> gzipped(std::string_view data);

// Returns what gzipped() was given. ErrorKind::invalid: `data` is in another format, truncated or
// damaged, has anything after its end, or holds more than `limit` bytes.
Result<std::string> gunzipped(std::string_view data, std::size_t limit);

}  // namespace flannel
