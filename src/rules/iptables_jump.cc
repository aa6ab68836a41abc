// SPDX-License-Identifier: Apache-2.0
#include "rules/iptables_jump.h"

#include <fmt/format.h>

#include <algorithm>

#include "rules/iptables_names.h"

namespace flannel {

std::string keep_ahead(const std::string& chain, const std::string& rule,
                       std::vector<std::string> have,
                       const std::function<bool(std::string_view)>& is_end) {
  const auto end = std::ranges::find_if(have, is_end);
  const auto copies = std::ranges::count(have, rule);
  if (copies == 1 && std::ranges::find(have, rule) < end) return {};
  std::string lines;
  for (auto copy = copies; copy > 0; --copy)
    lines += fmt::format("-D {} {}\n", chain, restorable(rule));
  std::erase(have, rule);
  const auto place = std::ranges::find_if(have, is_end) - have.begin();
  if (static_cast<std::size_t>(place) == have.size()) {
    return lines + fmt::format("-A {} {}\n", chain, restorable(rule));
  }
  return lines +
         fmt::format("-I {} {} {}\n", chain, place + 1, restorable(rule));  // counted from 1
}

std::string delete_rules(const std::string& chain, const std::vector<std::string>& have,
                         const std::function<bool(std::string_view)>& is_ours) {
  std::string lines;
  for (const std::string& rule : have) {
    if (is_ours(rule)) lines += fmt::format("-D {} {}\n", chain, restorable(rule));
  }
  return lines;
}

std::string in_table(std::string_view table, const std::string& lines) {
  return lines.empty() ? lines : fmt::format("*{}\n{}COMMIT\n", table, lines);
}

}  // namespace flannel
