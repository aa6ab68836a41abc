// SPDX-License-Identifier: Apache-2.0
// Characters that a web page, a chat or a text processor puts where an operator typed another one,
// and the words for them in errors.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace flannel {

struct Lookalike {
  std::string_view bytes;  // UTF-8
  std::string_view name;   // "an en dash"
  char meant = ' ';        // '-', '"', '\'' or ' '
};

// The first character of `text`: one in UTF-8, or a single byte that begins none. Empty text has
// none.
std::string_view first_character(std::string_view text);

// What the first character of `text` is mistaken for; nothing if it is no such character.
std::optional<Lookalike> lookalike(std::string_view text);

// The first character of `text` in words: "an en dash (U+2013)", "'}'", "a line break",
// "'é' (U+00E9)", "the byte 0xff, which is no UTF-8", "nothing, it is the end".
std::string name_of_first(std::string_view text);

}  // namespace flannel
