// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/flags.h"
#include "ctl/command.h"

namespace flannel {

struct CtlRun {
  const Command* command = nullptr;
  CtlOptions options;
  std::vector<std::string> warnings;
};

// Parses the command line. Flags may stand before and after the words of the command. The flags
// that select the store are also read from the environment, under the names that flanneld uses.
// --help and
// --version count as commands. An error is one line that names the wrong word. `set_variables` has
// the names of all variables with a value: there is a warning for each that looks like one of ours
// but is not read.
Result<CtlRun> parse_ctl_command_line(std::span<const std::string> arguments,
                                      const Flags::Environment& environment,
                                      std::span<const std::string> set_variables = {});

// Returns the descriptions of all flags for `flannelctl help`.
std::string ctl_flags_usage();

// Runs the whole program. Returns 0: success, 1: failure, 2: the command line is invalid.
int run_ctl(std::span<const std::string> arguments, const Flags::Environment& environment,
            const Terminal& terminal, std::span<const std::string> set_variables = {});

}  // namespace flannel
