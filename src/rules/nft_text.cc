// SPDX-License-Identifier: Apache-2.0
#include "rules/nft_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>

#include "base/parse.h"

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

// Priorities are numbers, because nft before 0.9.1 has no names for them.
std::string chain(const char* name, const char* hook, const std::vector<Rule>& rules,
                  bool fully_random) {
  std::string text = fmt::format("  chain {} {{\n    {}; policy accept;\n", name, hook);
  for (const Rule& rule : rules)
    text += "    " + render(rule, fully_random) + "\n";
  return text + "  }\n";
}

constexpr std::string_view kPrefix = "ip flannel-";
constexpr std::string_view kEarlier = "ip flannel";
constexpr std::string_view kUpstream[] = {"ip flannel-ipv4", "ip6 flannel-ipv6"};

}  // namespace

std::string nft_table(const IpPrefix& network) {
  return fmt::format("{}{}-{}", kPrefix, to_string(network.base), network.bits);
}

std::optional<IpPrefix> network_of_nft_table(std::string_view table) {
  if (!table.starts_with(kPrefix)) return std::nullopt;
  std::string text(table.substr(kPrefix.size()));
  const auto dash = text.find('-');
  if (dash == std::string::npos) return std::nullopt;
  text[dash] = '/';
  const auto network = IpPrefix::parse_v4(text);
  // Only a name that nft_table() would give.
  if (!network || nft_table(*network) != table) return std::nullopt;
  return *network;
}

bool is_flannel_nft_table(std::string_view table) {
  return table == kEarlier || network_of_nft_table(table);
}

std::vector<std::string> nft_tables_before(std::span<const std::string> tables,
                                           const IpPrefix& network) {
  std::vector<std::string> before;
  std::ranges::copy_if(tables, std::back_inserter(before), [&](std::string_view table) {
    if (table == kEarlier || std::ranges::find(kUpstream, table) != std::end(kUpstream)) {
      return true;
    }
    const auto other = network_of_nft_table(table);
    return other && *other != network && other->overlaps(network);
  });
  return before;
}

std::string remove_nft_tables(std::span<const std::string> tables) {
  std::string text;
  // nft does not delete a missing table, but adds an existing one without complaint: add, then
  // delete.
  for (const std::string& table : tables)
    text += fmt::format("add table {0}\ndelete table {0}\n", table);
  return text;
}

std::string render_nft(const RuleSet& rules, std::span<const std::string> gone) {
  const std::string table = nft_table(rules.network);
  std::string text = remove_nft_tables({&table, 1}) + remove_nft_tables(gone);
  if (rules.masquerade.empty() && rules.forward.empty()) return text;
  text += fmt::format("table {} {{\n", table);
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
