// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/environment_file.h"
#include "base/flags.h"

namespace flannel {

// The variables of the environment file and those of the environment. A variable that the file
// names has the value of the file, even an empty one: systemd has put an earlier version of the
// same file into the environment.
class Variables {
 public:
  // `set`: the names of the variables in `environment` that have a value.
  Variables(EnvironmentFile file, Flags::Environment environment, std::span<const std::string> set);

  // The file that --environment-file names, where a leading "-" allows that there is none, as in
  // systemd's EnvironmentFile=. One that may be missing and that this process may not read counts
  // as skipped: systemd could read it, so its variables are in the environment. An empty value
  // names no file.
  static Result<EnvironmentFile> read_file(const std::string& given);

  // Returns null if the variable is set nowhere.
  const char* find(const std::string& name) const;
  // Returns " (/etc/default/flanneld:7)"; empty: the variable is not from the file.
  std::string origin(const std::string& name) const;
  // Returns the names of those that have a value, sorted.
  std::vector<std::string> set() const;

  const EnvironmentFile& file() const { return file_; }
  // A sentence for each variable of the environment whose value differs from that in the file, for
  // each line of the file that has no effect, and for a secret in a file that every user can read.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  void ignore_own_name();
  void warn_of_hidden();
  void warn_of_readers();

  EnvironmentFile file_;
  Flags::Environment environment_;
  std::vector<std::string> set_;
  std::vector<std::string> warnings_;
};

// The variable that names the environment file.
inline constexpr const char* kFileVariable = "FLANNELD_ENVIRONMENT_FILE";

}  // namespace flannel
