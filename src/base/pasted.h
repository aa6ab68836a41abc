// SPDX-License-Identifier: Apache-2.0
// Checks of words that were pasted from a web page, or came from a file with quotes around them.
#pragma once

#include <string_view>

#include "base/result.h"

namespace flannel {

// Checks a word of the command line. Refuses it if it begins with characters that only look like
// dashes, or with an invisible character. The error never repeats what follows the first '='.
Result<void> check_pasted_word(std::string_view word);

// Checks the value of a flag. Refuses it if it begins or ends with any kind of quote or with a
// character that only looks like a blank, or begins with one that only looks like a minus.
Result<void> check_pasted_value(std::string_view value);

}  // namespace flannel
