// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace flannel {

// Columns two blanks apart, as wide as their widest cell; no blanks at the end of a line. Cells
// may hold a stranger's text: what a terminal obeys is escaped, and what is long is cut. The last
// column has room for a sentence.
std::string text_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace flannel
