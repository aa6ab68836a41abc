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

// Makes the folder and those above it that are missing (0755).
Result<void> make_folder(const std::string& folder);

enum class Written {
  replaced,  // in one step: readers saw the old text or the new one
  in_place,  // the file could only be written where it is
};

// The file that is written for `path`: where its symbolic links lead, whether it is there or not.
// Links that are neither root's nor this process's own are not followed: in a folder that all may
// write to, anybody could lead root to any file of the host.
Result<std::string> end_of_links(const std::string& path);

// Gives the file `path` a new text, in one step where that can be had: a temporary file beside it,
// written, fsynced, renamed, and the folder fsynced. Missing parent folders are made (0755); `mode`
// holds regardless of the umask.
//
// The file at end_of_links() is the one that is replaced: symbolic links stay. A file that cannot
// be replaced, because it is a mount of its own or its folder is read-only, is written in place:
// with one write() and without a moment in which it is empty, or cut off; a power failure can leave
// empty lines behind the text. ErrorKind::invalid: a folder is where the file should be.
Result<Written> write_file_atomically(const std::string& path, std::string_view text, mode_t mode);

}  // namespace flannel
