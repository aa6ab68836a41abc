// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace flannel {

// Formats rows as columns that are two blanks apart and as wide as their widest cell, without
// blanks at the end of a line. Control characters in a cell are escaped, and long cells are
// truncated; the last column may have a whole sentence.
std::string text_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace flannel
