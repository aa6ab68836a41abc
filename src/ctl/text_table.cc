// SPDX-License-Identifier: Apache-2.0
#include "ctl/text_table.h"

#include <algorithm>

#include "base/printable.h"

namespace flannel {
namespace {

constexpr std::size_t kLastCell = 400;  // a sentence

}  // namespace

std::string text_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::vector<std::string>> cells;
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    auto& line = cells.emplace_back();
    for (std::size_t i = 0; i < row.size(); ++i) {
      line.push_back(printable(shortened(row[i], i + 1 < row.size() ? kShortText : kLastCell)));
      if (i == widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], line[i].size());
    }
  }
  std::string text;
  for (const auto& line : cells) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      text += line[i];
      if (i + 1 < line.size()) text.append(widths[i] + 2 - line[i].size(), ' ');
    }
    text += '\n';
  }
  return text;
}

}  // namespace flannel
