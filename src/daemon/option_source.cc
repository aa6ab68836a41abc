// SPDX-License-Identifier: Apache-2.0
#include "daemon/option_source.h"

#include <string_view>
#include <utility>

namespace flannel {

OptionSource::OptionSource(std::vector<std::string> arguments, const char* const* environment)
    : arguments_(std::move(arguments)) {
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view line = *environment;
    const auto equals = line.find('=');
    if (equals == line.npos || equals + 1 == line.size()) continue;
    environment_.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
}

Result<CommandLine> OptionSource::read() {
  std::vector<std::string> names;
  for (const auto& [name, value] : environment_)
    names.push_back(name);
  auto parsed = parse_command_line(
      arguments_,
      [this](const std::string& name) -> const char* {
        const auto found = environment_.find(name);
        return found == environment_.end() ? nullptr : found->second.c_str();
      },
      names);
  if (!parsed) return parsed;
  if (const auto* options = std::get_if<Options>(&*parsed)) {
    for (const std::string& name : options->file_variables)
      environment_.erase(name);
  }
  return parsed;
}

}  // namespace flannel
