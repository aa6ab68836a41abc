// SPDX-License-Identifier: Apache-2.0
// Texts of strangers (the store, the environment, the command line) on one line of a log or a
// terminal: they can neither start a new line nor send control sequences.
#pragma once

#include <string>
#include <string_view>

namespace flannel {

// Valid UTF-8 without anything that a terminal obeys or that is not seen: control characters and
// bytes that are no UTF-8 as \n or \x9b, characters that turn the direction of writing or have no
// width as \u202e. Everything else as it is.
std::string printable(std::string_view text);

// The same between double quotes; quotes and backslashes inside are escaped.
std::string quoted(std::string_view text);

// As it is if it is one plain word, else quoted.
std::string word_or_quoted(std::string_view text);

// What a sentence or a line shows of a stranger's text.
inline constexpr std::size_t kShortText = 80;
// Its first bytes and "...", if it has more than `most`; never a part of a UTF-8 character.
std::string shortened(std::string_view text, std::size_t most = kShortText);

}  // namespace flannel
