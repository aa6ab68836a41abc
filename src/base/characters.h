// SPDX-License-Identifier: Apache-2.0
// Some characters stand in for what the operator typed, because a web page, a chat or a text
// processor put them there. This header knows these characters and their names in error messages.
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

// Returns the first character of `text`: a whole UTF-8 sequence, or a single byte if that byte
// begins no valid sequence. Returns empty text for empty text.
std::string_view first_character(std::string_view text);

// Returns the lookalike that `text` begins with; nullopt if its first character is none.
std::optional<Lookalike> lookalike(std::string_view text);

// Names the first character of `text` for an error message: "an en dash (U+2013)", "'}'",
// "a line break", "'é' (U+00E9)", "the byte 0xff, which is no UTF-8", "nothing, it is the end".
std::string name_of_first(std::string_view text);

}  // namespace flannel
