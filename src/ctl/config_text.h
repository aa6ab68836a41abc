// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "ctl/command.h"

namespace flannel {

// Returns the configuration that `word` denotes: `word` itself if it begins with a brace, standard
// input for "-", otherwise the content of the file of that name. Blanks around it are removed.
Result<std::string> read_config_text(const std::string& word, const Terminal& terminal);

// Prints "flannelctl: warning: ..." to standard error, one line for each warning.
void print_warnings(const std::vector<std::string>& warnings, const Terminal& terminal);

}  // namespace flannel
