// SPDX-License-Identifier: Apache-2.0
// Makes text from outside (the store, the environment, the command line) safe for one line of a log
// or a terminal: it can neither start a new line nor send control sequences.
#pragma once

#include <string>
#include <string_view>

namespace flannel {

// Returns `text` as valid UTF-8 without invisible characters. Control characters and invalid bytes
// are escaped as \n or \x9b, characters that change the writing direction or have no width as
// \u202e. Everything else is unchanged.
std::string printable(std::string_view text);

// Returns printable(text) between double quotes; quotes and backslashes inside are escaped.
std::string in_quotes(std::string_view text);

// Returns `text` unchanged if it is one plain word, otherwise in_quotes(text).
std::string word_or_quoted(std::string_view text);

// How many bytes of a text from outside a sentence or a log line shows.
inline constexpr std::size_t kShortText = 80;
// Returns `text`, or its first `most` bytes and "..." if it is longer. Never cuts a UTF-8
// character.
std::string shortened(std::string_view text, std::size_t most = kShortText);

}  // namespace flannel
