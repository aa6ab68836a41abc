// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace flannel {

// Reads the whole file. ErrorKind::not_found: there is no such file; invalid: the file is longer
// than `limit` bytes.
Result<std::string> read_file(const std::string& path, std::size_t limit = 1 << 20);

// Creates the folder and its missing parents with mode 0755.
Result<void> make_folder(const std::string& folder);

enum class Written {
  replaced,  // by a rename: readers see either the old or the new text
  in_place,  // the file could not be replaced and was overwritten
};

// Follows the symbolic links of `path` and returns the path of the file at their end, which need
// not exist. Links that belong neither to root nor to the user of this process are not followed: in
// a folder that every user may write to, any user could otherwise make root write any file.
Result<std::string> end_of_links(const std::string& path);

// Replaces the content of the file `path`, atomically if possible: a temporary file beside it is
// written, fsynced and renamed, and then the folder is fsynced. Missing parent folders are created
// with mode 0755; the file gets `mode` regardless of the umask.
//
// Symbolic links are kept: the file at end_of_links() is the one that is replaced. A file that
// cannot be replaced, because it is a mount point or its folder is read-only, is written in place
// with one write(), so that readers never see an empty or truncated file; a power failure can leave
// empty lines after the text. ErrorKind::invalid: `path` is a folder.
Result<Written> write_file_atomically(const std::string& path, std::string_view text, mode_t mode);

}  // namespace flannel
