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

// Flags may stand before and after the command's words. The flags that name the store are looked
// for in the environment too, under the names that flanneld uses. --help and --version are
// commands like any other. An error is one line about the word that is wrong.
// `set_variables`: names of all variables with a value; those that look like a flag's name and are
// not read are warned of.
Result<CtlRun> parse_ctl_command_line(std::span<const std::string> arguments,
                                      const Flags::Environment& environment,
                                      std::span<const std::string> set_variables = {});

// Every flag, for `flannelctl help`.
std::string ctl_flags_usage();

// The whole program: 0 done, 1 failed, 2 not understood.
int run_ctl(std::span<const std::string> arguments, const Flags::Environment& environment,
            const Terminal& terminal, std::span<const std::string> set_variables = {});

}  // namespace flannel
