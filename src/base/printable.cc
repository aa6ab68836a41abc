// SPDX-License-Identifier: Apache-2.0
#include "base/printable.h"

#include <fmt/format.h>

#include <algorithm>

namespace flannel {
namespace {

// The first character of a text and its length in bytes; length 0: the text is not valid UTF-8.
struct Character {
  char32_t code = 0;
  std::size_t length = 0;
};

Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return {};
  char32_t code = lead & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3fU);
  }
  const bool longer_than_needed = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (longer_than_needed || surrogate || code > 0x10ffff) return {};
  return {code, length};
}

// True for C0, DEL and C1, which terminals obey in UTF-8 too.
bool is_control(char32_t code) {
  return code < ' ' || (code >= 0x7f && code < 0xa0);
}

// True for characters that change the writing direction, line separators, and characters without
// width.
bool is_unseen(char32_t code) {
  return code == 0xad || code == 0x61c || code == 0x180e || (code >= 0x200b && code <= 0x200f) ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
         code == 0xfeff || (code >= 0xfff9 && code <= 0xfffb) ||
         (code >= 0xe0000 && code <= 0xe007f);
}

void append_escaped(std::string& out, char32_t code) {
  if (code == '\n') {
    out += "\\n";
  } else if (code > 0xff) {
    out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(code));
  } else {
    out += fmt::format("\\x{:02x}", static_cast<std::uint32_t>(code));
  }
}

std::string escaped(std::string_view text, std::string_view to_backslash) {
  std::string out;
  while (!text.empty()) {
    const auto [code, length] = first_character(text);
    if (length == 0) {
      append_escaped(out, static_cast<unsigned char>(text[0]));
    } else if (is_control(code) || is_unseen(code)) {
      append_escaped(out, code);
    } else {
      if (to_backslash.find(text[0]) != std::string_view::npos) out += '\\';
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

bool is_plain_word(std::string_view text) {
  return !text.empty() && text.find_first_of(" \"\\") == text.npos && printable(text) == text;
}

}  // namespace

std::string printable(std::string_view text) {
  return escaped(text, "");
}

std::string in_quotes(std::string_view text) {
  return '"' + escaped(text, "\"\\") + '"';
}

std::string shortened(std::string_view text, std::size_t most) {
  if (text.size() <= most) return std::string(text);
  std::size_t end = most;
  while (end > 0 && most - end < 3 && (text[end] & 0xc0) == 0x80)
    --end;
  return fmt::format("{}...", text.substr(0, end));
}

std::string word_or_quoted(std::string_view text) {
  return is_plain_word(text) ? std::string(text) : in_quotes(text);
}

}  // namespace flannel
