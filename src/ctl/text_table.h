// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace flannel {

// Columns two blanks apart, as wide as their widest cell; no blanks at the end of a line. Cells
// may hold a stranger's text: control characters are escaped.
std::string text_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace flannel
