// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <ostream>

#include "base/parse.h"
#include "ctl/command.h"
#include "ctl/command_line.h"
#include "ctl/text_table.h"

namespace flannel {
namespace {

std::string everything() {
  std::vector<std::vector<std::string>> rows;
  for (const Command& command : commands()) {
    rows.push_back({"  " + call_of(command), std::string(command.summary)});
  }
  return "Usage: flannelctl [FLAG]... COMMAND\n\nCommands:\n" + text_table(rows) +
         "\nFlags, before or after the command:\n" + ctl_flags_usage() +
         "\nThe flags that name the store are looked for in the environment too, as for flanneld:\n"
         "FLANNELD_ETCD_ENDPOINTS for --etcd-endpoints, and so on.\n"
         "Exit status: 0 done, 1 failed, 2 the command line was not understood.\n";
}

// The word "config" selects all commands that begin with it.
bool is_about(const Command& command, std::span<const std::string> words) {
  const auto parts = split(command.name, ' ');
  return parts[0] == words[0] && (words.size() == 1 || (parts.size() == 2 && parts[1] == words[1]));
}

}  // namespace

// Checks that there is help for the words.
Result<void> check_help_words(std::span<const std::string> words) {
  if (words.empty()) return {};
  for (const Command& command : commands()) {
    if (is_about(command, words)) return {};
  }
  TRY(find_command(words));
  return {};
}

Result<void> run_help(const CtlOptions& options, const Terminal& terminal) {
  if (options.words.empty()) {
    terminal.out << everything();
    return {};
  }
  std::string text;
  for (const Command& command : commands()) {
    if (!is_about(command, options.words)) continue;
    text += fmt::format("flannelctl [FLAG]... {}\n    {}\n", call_of(command), command.summary);
  }
  terminal.out << text;
  return {};
}

}  // namespace flannel
