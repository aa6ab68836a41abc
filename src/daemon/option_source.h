// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/options.h"

namespace flannel {

// What the options are read from: at the start, and again at each SIGHUP, when the environment file
// may be another one.
class OptionSource {
 public:
  // `arguments` are without the name of the program. Copies `environment` (see environ(7)), in
  // which secrets are overwritten later.
  OptionSource(std::vector<std::string> arguments, const char* const* environment);

  // As parse_command_line(). A variable that the file had at an earlier call is from then on not
  // taken from the environment: systemd has put it there from that file, and it would live on there
  // after the operator has removed it.
  Result<CommandLine> read();

 private:
  std::vector<std::string> arguments_;
  std::map<std::string, std::string> environment_;
};

}  // namespace flannel
