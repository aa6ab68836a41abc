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

// The family in the language of nft.
std::string_view word_of(Family family) {
  return family == Family::v4 ? "ip" : "ip6";
}

std::string render(const Rule& rule, bool fully_random) {
  std::string text;
  const auto match = [&](std::string_view field, const std::optional<AddressMatch>& address) {
    if (!address) return;
    text += fmt::format("{} {} {}{} ", word_of(address->net.family()), field,
                        address->inverted ? "!= " : "", to_string(address->net));
  };
  if (rule.marked) text += fmt::format("meta mark & {0:#x} == {0:#x} ", kForeignMasqueradeMark);
  match("saddr", rule.from);
  match("daddr", rule.to);
  switch (rule.verdict) {
    case Verdict::accept:
      return text + "accept";
    case Verdict::drop:
      return text + "drop";
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

constexpr std::string_view kEarlier = "ip flannel";

std::string prefix_of(Family family) {
  return fmt::format("{} flannel-", word_of(family));
}

bool is_of_another_release(std::string_view table, Family family) {
  if (table == "ip6 flannel-ipv6") return true;
  return family == Family::v4 && (table == kEarlier || table == "ip flannel-ipv4");
}

}  // namespace

std::string nft_table(const IpPrefix& network) {
  std::string name = fmt::format("{}-{}", to_string(network.base), network.bits);
  std::ranges::replace(name, ':', '_');
  return prefix_of(network.family()) + name;
}

std::optional<IpPrefix> network_of_nft_table(std::string_view table) {
  for (const Family family : kFamilies) {
    const std::string prefix = prefix_of(family);
    if (!table.starts_with(prefix)) continue;
    std::string text(table.substr(prefix.size()));
    std::ranges::replace(text, '_', ':');
    std::ranges::replace(text, '-', '/');
    const auto network = IpPrefix::parse(text, family);
    // Only a name that nft_table() would give.
    if (network && nft_table(*network) == table) return *network;
  }
  return std::nullopt;
}

bool is_flannel_nft_table(std::string_view table) {
  return table == kEarlier || network_of_nft_table(table);
}

std::vector<std::string> nft_tables_before(std::span<const std::string> tables,
                                           const IpPrefix& network) {
  std::vector<std::string> before;
  std::ranges::copy_if(tables, std::back_inserter(before), [&](std::string_view table) {
    if (is_of_another_release(table, network.family())) return true;
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
  if (rules.empty()) return text;
  text += fmt::format("table {} {{\n", table);
  if (!rules.masquerade.empty()) {
    text += chain("postrouting", "type nat hook postrouting priority 100", rules.masquerade,
                  rules.fully_random);
  }
  if (!rules.separate.empty()) {
    text += chain("separate", "type filter hook forward priority -150", rules.separate, false);
  }
  if (!rules.forward.empty()) {
    text += chain("forward", "type filter hook forward priority 0", rules.forward, false);
  }
  return text + "}\n";
}

}  // namespace flannel
