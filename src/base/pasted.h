// SPDX-License-Identifier: Apache-2.0
// Words that were pasted from a page or came through a file whose quotes nobody took off.
#pragma once

#include <string_view>

#include "base/result.h"

namespace flannel {

// For a word that should be a flag, or no flag at all: refused if its dashes are none, or if it
// begins with something invisible. Of the word nothing behind the first '=' is printed.
Result<void> check_pasted_word(std::string_view word);

// For the value of a flag: refused if it begins or ends with a quote of any kind or with what only
// looks like a blank, or begins with what only looks like a minus.
Result<void> check_pasted_value(std::string_view value);

}  // namespace flannel
