// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "core/registry.h"
#include "loop/loop.h"

namespace flannel {

// A network in the SQLite file at `path`, which several processes of one machine may share; made
// when first used. `hold` is when the record expires, in milliseconds since 1970. `loop` outlives
// it.
Result<std::unique_ptr<Registry>> open_sqlite_registry(const std::string& path, std::string prefix,
                                                       Loop& loop);

}  // namespace flannel
