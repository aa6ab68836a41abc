// SPDX-License-Identifier: Apache-2.0
#include "base/printable.h"

#include <fmt/format.h>

#include <algorithm>

namespace flannel {
namespace {

bool is_control(unsigned char c) {
  return c < ' ' || c == 0x7f;
}

// U+0080..U+009F in UTF-8: terminals may take them for control sequences too.
bool is_c1_control(std::string_view rest) {
  return rest.size() >= 2 && rest[0] == '\xc2' && static_cast<unsigned char>(rest[1]) < 0xa0;
}

void append_escaped(std::string& out, unsigned char c) {
  if (c == '\n') {
    out += "\\n";
  } else {
    out += fmt::format("\\x{:02x}", c);
  }
}

std::string escaped(std::string_view text, std::string_view to_backslash) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_control(static_cast<unsigned char>(c))) {
      append_escaped(out, static_cast<unsigned char>(c));
    } else if (is_c1_control(text.substr(i))) {
      append_escaped(out, static_cast<unsigned char>(text[++i]));
    } else {
      if (to_backslash.find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out;
}

bool is_plain_word(std::string_view text) {
  return !text.empty() && std::ranges::none_of(text, [](char c) {
    return c == ' ' || c == '"' || c == '\\' || c == '\xc2' ||
           is_control(static_cast<unsigned char>(c));
  });
}

}  // namespace

std::string printable(std::string_view text) {
  return escaped(text, "");
}

std::string quoted(std::string_view text) {
  return '"' + escaped(text, "\"\\") + '"';
}

std::string shortened(std::string_view text) {
  constexpr std::size_t kMost = 80;
  if (text.size() <= kMost) return std::string(text);
  std::size_t end = kMost;
  while (end > 0 && (text[end] & 0xc0) == 0x80)
    --end;
  return fmt::format("{}...", text.substr(0, end));
}

std::string word_or_quoted(std::string_view text) {
  return is_plain_word(text) ? std::string(text) : quoted(text);
}

}  // namespace flannel
