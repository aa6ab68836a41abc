// SPDX-License-Identifier: Apache-2.0
#include "rules/iptables_names.h"

#include <algorithm>

namespace flannel {
namespace {

constexpr std::string_view kSpecial = "\"\\";

// The length of the first word of `text`; blanks in quotes belong to it.
std::size_t word_length(std::string_view text) {
  if (!text.starts_with('"')) return std::min(text.size(), text.find(' '));
  std::size_t at = 1;
  while (at < text.size() && text[at] != '"')
    at += text[at] == '\\' ? 2 : 1;
  return std::min(text.size(), at + 1);
}

std::string quoted_name(std::string_view name) {
  std::string text = "\"";
  for (const char byte : name) {
    if (kSpecial.find(byte) != std::string_view::npos) text += '\\';
    text += byte;
  }
  return text + '"';
}

}  // namespace

std::string restorable(std::string_view rule) {
  if (rule.find_first_of(kSpecial) == std::string_view::npos) return std::string(rule);
  std::string text;
  bool is_name = false;
  while (!rule.empty()) {
    // A name is printed as it is: it ends with the next blank, even if it has quotes.
    const std::size_t length = is_name ? std::min(rule.size(), rule.find(' ')) : word_length(rule);
    const std::string_view word = rule.substr(0, length);
    const bool needs_quotes = is_name && word.find_first_of(kSpecial) != std::string_view::npos;
    text += needs_quotes ? quoted_name(word) : std::string(word);
    is_name = !is_name && (word == "-i" || word == "-o");
    rule.remove_prefix(length);
    const std::size_t blanks = std::min(rule.size(), rule.find_first_not_of(' '));
    text += rule.substr(0, blanks);
    rule.remove_prefix(blanks);
  }
  return text;
}

bool iptables_can_match(std::string_view interface) {
  return !interface.ends_with('+');
}

}  // namespace flannel
