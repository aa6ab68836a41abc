// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/problem.h"
#include "daemon/options.h"
#include "daemon/reload_plan.h"

namespace flannel {

// Reads the options again when the operator asks for it (SIGHUP), has the live ones applied, and
// names the others.
class OptionReload {
 public:
  struct Parts {
    std::function<Result<CommandLine>()> read;
    // Applies those options that plan_reload() calls live; the others have no effect.
    std::function<void(const Options&)> apply;
  };

  OptionReload(const Options& running, Parts parts);

  // Nothing without an environment file. If the options cannot be read, all running ones stay in
  // force. Lines that are no assignments are then a mistake, too: unlike at the start, the operator
  // is there, and packets do not wait.
  void reload();

  // Returns the options in force. Secrets are among them.
  const Settings& running() const { return running_; }
  // Returns what has changed and is not in force. A text never has a value that may be a secret.
  const std::vector<Problem>& problems() const { return problems_; }

 private:
  Result<Options> read() const;
  void refuse(const std::string& why);
  void take(const Options& wanted);
  void warn_of(const std::vector<std::string>& warnings);

  std::string file_;
  Settings running_;
  std::vector<std::string> warnings_;  // about the options as they were read last
  Parts parts_;
  std::vector<Problem> problems_;
};

}  // namespace flannel
