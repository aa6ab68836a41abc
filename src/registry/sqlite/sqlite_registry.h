// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "core/registry.h"
#include "loop/loop.h"

namespace flannel {

// Opens a network in the SQLite file at `path`, which several processes of one machine may share.
// The file is created at the first use. The expiry handle of a record is its time of expiry in
// milliseconds since 1970. `loop` must outlive the registry.
Result<std::unique_ptr<Registry>> open_sqlite_registry(const std::string& path, std::string prefix,
                                                       Loop& loop);

}  // namespace flannel
