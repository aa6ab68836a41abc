// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace flannel {

// The whole file; ErrorKind::not_found if there is none, invalid if it is longer than `limit`
// bytes.
Result<std::string> read_file(const std::string& path, std::size_t limit = 1 << 20);

// Replaces `path` in one step: a temporary file beside it, written, fsynced, renamed, and the
// directory fsynced. Missing parent directories are made (0755). Readers see the old text or the
// new one, whatever happens; `mode` holds regardless of the umask.
Result<void> write_file_atomically(const std::string& path, std::string_view text, mode_t mode);

}  // namespace flannel
