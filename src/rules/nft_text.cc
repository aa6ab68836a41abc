// SPDX-License-Identifier: Apache-2.0
#include "rules/nft_text.h"

#include <fmt/format.h>

#include <string_view>

namespace flannel {
namespace {

std::string render(const Rule& rule, bool fully_random) {
  std::string text;
  const auto match = [&](std::string_view field, const std::optional<AddressMatch>& address) {
    if (!address) return;
    text += fmt::format("{} {}{} ", field, address->inverted ? "!= " : "", to_string(address->net));
  };
  if (rule.marked) text += fmt::format("meta mark & {0:#x} == {0:#x} ", kForeignMasqueradeMark);
  match("ip saddr", rule.from);
  match("ip daddr", rule.to);
  switch (rule.verdict) {
    case Verdict::accept:
      return text + "accept";
    case Verdict::leave:
      return text + "return";
    case Verdict::masquerade:
      return text + (fully_random ? "masquerade fully-random" : "masquerade");
  }
  return text;
}

// Priorities as numbers: nft before 0.9.1 knows no names for them.
std::string chain(const char* name, const char* hook, const std::vector<Rule>& rules,
                  bool fully_random) {
  std::string text = fmt::format("  chain {} {{\n    {}; policy accept;\n", name, hook);
  for (const Rule& rule : rules)
    text += "    " + render(rule, fully_random) + "\n";
  return text + "  }\n";
}

}  // namespace

std::string render_nft(const RuleSet& rules) {
  // A table that is not there cannot be deleted, one that is can be added.
  std::string text = fmt::format("add table {0}\ndelete table {0}\n", kNftTable);
  if (rules.masquerade.empty() && rules.forward.empty()) return text;
  text += fmt::format("table {} {{\n", kNftTable);
  if (!rules.masquerade.empty()) {
    text += chain("postrouting", "type nat hook postrouting priority 100", rules.masquerade,
                  rules.fully_random);
  }
  if (!rules.forward.empty()) {
    text += chain("forward", "type filter hook forward priority 0", rules.forward, false);
  }
  return text + "}\n";
}

}  // namespace flannel
