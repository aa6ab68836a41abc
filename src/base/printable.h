// SPDX-License-Identifier: Apache-2.0
// Texts of strangers (the store, the environment, the command line) on one line of a log or a
// terminal: they can neither start a new line nor send control sequences.
#pragma once

#include <string>
#include <string_view>

namespace flannel {

// Control characters as \n or \x1b, everything else as it is.
std::string printable(std::string_view text);

// The same between double quotes; quotes and backslashes inside are escaped.
std::string quoted(std::string_view text);

// As it is if it is one plain word, else quoted.
std::string word_or_quoted(std::string_view text);

// Its first 80 bytes and "...", if it is longer; never a part of a UTF-8 character.
std::string shortened(std::string_view text);

}  // namespace flannel
