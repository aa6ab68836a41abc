// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "ctl/command.h"

namespace flannel {

// The configuration that a word of the command line means: the JSON text itself if it begins with
// a brace, standard input for "-", else the content of the file of that name. Blanks around it are
// taken off.
Result<std::string> read_config_text(const std::string& word, const Terminal& terminal);

// "flannelctl: warning: ..." on standard error, a line each.
void print_warnings(const std::vector<std::string>& warnings, const Terminal& terminal);

}  // namespace flannel
