// SPDX-License-Identifier: Apache-2.0
// Says where a text is no JSON, for the person who wrote it: line, column, the character that is
// wrong, what belongs there, the words around it, and what this mistake usually comes from.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace flannel {

// What the parser tells when it gives up.
struct JsonStop {
  std::size_t position = 0;  // bytes read, the wrong character or token included
  std::string token;         // what it was reading then
  std::string why;           // its own words
};

// Of bounded length, whatever the text is: "not JSON: line 1, column 9: 'x' where ...".
std::string json_mistake(std::string_view text, const JsonStop& stop);

// The same for a text that a parser may take and Go's does not: for one that has a NUL byte or
// begins with a byte order mark. Empty: it is neither.
std::string json_encoding_mistake(std::string_view text);

}  // namespace flannel
