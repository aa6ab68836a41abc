// SPDX-License-Identifier: Apache-2.0
// Describes for its author why a text is not JSON: line, column, the wrong character, the expected
// one, the text around it, and the usual cause of the mistake.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace flannel {

// The parser's report of where it stopped.
struct JsonStop {
  std::size_t position = 0;  // bytes read, including the wrong character or token
  std::string token;         // the token that it was reading
  std::string why;           // the parser's message
};

// Returns a text of bounded length: "not JSON: line 1, column 9: 'x' where ...".
std::string json_mistake(std::string_view text, const JsonStop& stop);

// The same for a text that has a NUL byte or begins with a byte order mark: some parsers accept it,
// but Go's parser does not. Returns an empty text if neither is the case.
std::string json_encoding_mistake(std::string_view text);

}  // namespace flannel
