// SPDX-License-Identifier: Apache-2.0
// Files of variables in the syntax of systemd's EnvironmentFile=, see systemd.exec(5): lines
// NAME=VALUE, comments after # or ; at the beginning of a line, quotes, and a backslash that joins
// two lines. Nothing is expanded. Two quoted parts are one value.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flannel {

struct EnvironmentFile {
  struct Variable {
    std::string name;
    std::string value;  // may be empty
    std::size_t line = 0;
  };

  std::string path;                 // empty: there is no such file
  std::vector<Variable> variables;  // by name; of several with one name only the last
  // A sentence for each line that is no assignment, which systemd skips as well. Like an error, it
  // names file and line and never repeats the line, which may have a password.
  std::vector<std::string> skipped;

  // Returns null if the file does not name the variable.
  const Variable* find(std::string_view name) const;
};

// Parses `text`. Fails for two mistakes that systemd accepts: a quote that does not end, so that
// the rest of the file would be part of the value, and zero bytes. `path` is for messages.
Result<EnvironmentFile> parse_environment_file(std::string_view text, std::string path);

// Reads the file. ErrorKind::not_found: it does not exist; invalid: a mistake in it, or more than a
// megabyte.
Result<EnvironmentFile> read_environment_file(const std::string& path);

}  // namespace flannel
