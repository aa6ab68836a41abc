// SPDX-License-Identifier: Apache-2.0
#include "base/characters.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace flannel {
namespace {

constexpr auto kLookalikes = std::to_array<Lookalike>({
    {"\u2010", "a typographic hyphen", '-'},
    {"\u2011", "a hyphen that allows no line break", '-'},
    {"\u2012", "a figure dash", '-'},
    {"\u2013", "an en dash", '-'},
    {"\u2014", "an em dash", '-'},
    {"\u2015", "a horizontal bar", '-'},
    {"\u2212", "a minus sign", '-'},
    {"\ufe58", "a small em dash", '-'},
    {"\ufe63", "a small hyphen", '-'},
    {"\uff0d", "a wide hyphen", '-'},
    {"\u00ad", "an invisible soft hyphen", '-'},
    {"\u201c", "a typographic quote", '"'},
    {"\u201d", "a typographic quote", '"'},
    {"\u201e", "a typographic quote", '"'},
    {"\u201f", "a typographic quote", '"'},
    {"\u00ab", "a typographic quote", '"'},
    {"\u00bb", "a typographic quote", '"'},
    {"\u2033", "a double prime", '"'},
    {"\uff02", "a wide quote", '"'},
    {"\u2018", "a typographic single quote", '\''},
    {"\u2019", "a typographic single quote", '\''},
    {"\u201a", "a typographic single quote", '\''},
    {"\u201b", "a typographic single quote", '\''},
    {"\u2032", "a prime", '\''},
    {"\u00b4", "an acute accent", '\''},
    {"\u00a0", "a no-break space", ' '},
    {"\u2003", "an em space", ' '},
    {"\u2007", "a figure space", ' '},
    {"\u2009", "a thin space", ' '},
    {"\u200b", "an invisible zero-width space", ' '},
    {"\u202f", "a narrow no-break space", ' '},
    {"\u2060", "an invisible word joiner", ' '},
    {"\u3000", "an ideographic space", ' '},
    {"\ufeff", "an invisible byte order mark", ' '},
});

// Returns the length of the character that begins with `first`; 0: no character does.
std::size_t length_after(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return 2;
  if (first >= 0xe0 && first < 0xf0) return 3;
  if (first >= 0xf0 && first < 0xf5) return 4;
  return 0;
}

char32_t code_of(std::string_view character) {
  char32_t code = static_cast<unsigned char>(character[0]);
  if (character.size() > 1) code &= 0x7fU >> character.size();
  for (const char c : character.substr(1))
    code = code << 6 | (static_cast<unsigned char>(c) & 0x3fU);
  return code;
}

std::string name_of_ascii(char c) {
  if (c == '\n') return "a line break";
  if (c == '\r') return "a carriage return (U+000D)";
  if (c == '\t') return "a tab";
  if (c == ' ') return "a blank";
  if (c == '\'') return "a single quote (')";
  if (c == '"') return "a double quote (\")";
  if (c == '\\') return "a backslash (\\)";
  if (c < ' ' || c == 0x7f) return fmt::format("a control character (U+{:04X})", int{c});
  return fmt::format("'{}'", c);
}

}  // namespace

std::string_view first_character(std::string_view text) {
  if (text.empty()) return {};
  const std::size_t length = length_after(static_cast<unsigned char>(text[0]));
  const std::string_view character = text.substr(0, length);
  const bool whole = length != 0 && character.size() == length &&
                     std::ranges::all_of(character.substr(1), [](char c) {
                       return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
                     });
  return whole ? character : text.substr(0, 1);
}

std::optional<Lookalike> lookalike(std::string_view text) {
  const auto found = std::ranges::find(kLookalikes, first_character(text), &Lookalike::bytes);
  return found == kLookalikes.end() ? std::nullopt : std::optional(*found);
}

std::string name_of_first(std::string_view text) {
  const std::string_view character = first_character(text);
  if (character.empty()) return "nothing, it is the end";
  const auto byte = static_cast<unsigned char>(character[0]);
  if (byte < 0x80) return name_of_ascii(character[0]);
  if (character.size() == 1) return fmt::format("the byte 0x{:02x}, which is no UTF-8", byte);
  const auto code = static_cast<unsigned>(code_of(character));
  if (const auto known = lookalike(text)) return fmt::format("{} (U+{:04X})", known->name, code);
  if (code < 0xa0) return fmt::format("a control character (U+{:04X})", code);
  return fmt::format("'{}' (U+{:04X})", character, code);
}

}  // namespace flannel
