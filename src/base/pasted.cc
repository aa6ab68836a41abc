// SPDX-License-Identifier: Apache-2.0
#include "base/pasted.h"

#include "base/characters.h"
#include "base/printable.h"

namespace flannel {
namespace {

bool is_quote(char c) {
  return c == '"' || c == '\'';
}

std::string_view last_character(std::string_view text) {
  std::size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80U)
    --at;
  return text.substr(at);
}

Failure refuse(std::string_view value, std::string_view where, std::string_view character,
               std::string_view advice) {
  std::string text = in_quotes(shortened(value));
  text.append(" ").append(where).append(" ").append(name_of_first(character)).append(advice);
  return fail(ErrorKind::invalid, std::move(text));
}

}  // namespace

Result<void> check_pasted_word(std::string_view word) {
  if (word.empty()) return {};
  const std::string_view shown = word.substr(0, word.find('='));
  if (is_quote(word[0]) && word.substr(1).starts_with('-')) {
    return fail(ErrorKind::invalid, in_quotes(shown) + ": the first character is " +
                                        name_of_first(word) + ", the quotes must go");
  }
  const bool after_dash = word[0] == '-';
  const std::string_view rest = word.substr(after_dash ? 1 : 0);
  const auto wrong = lookalike(rest);
  if (!wrong) return {};
  return fail(ErrorKind::invalid, in_quotes(shown) + ": the " + (after_dash ? "second" : "first") +
                                      " character is " + name_of_first(rest) +
                                      (wrong->meant == '-' ? ", not -" : ""));
}

Result<void> check_pasted_value(std::string_view value) {
  if (value.empty()) return {};
  constexpr std::string_view go = "; quotes around a value must go";
  const std::string_view last = last_character(value);
  if (is_quote(value[0])) return refuse(value, "begins with", value, go);
  if (is_quote(last[0])) return refuse(value, "ends with", last, go);
  if (const auto wrong = lookalike(value)) {
    return refuse(value, "begins with", value, wrong->meant == '-' ? ", not with -" : "");
  }
  const auto wrong = lookalike(last);
  if (wrong && wrong->meant != '-') return refuse(value, "ends with", last, "");
  return {};
}

}  // namespace flannel
