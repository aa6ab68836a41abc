// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "daemon/options.h"
#include "daemon/run.h"
#include "daemon/scrub.h"

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto parsed = flannel::parse_command_line(
      arguments, [](const std::string& name) { return std::getenv(name.c_str()); },
      flannel::set_variables(environ));
  flannel::scrub_password(argc, argv);
  if (!parsed) {
    std::cerr << "flanneld: " << parsed.error().text << '\n';
    // A file may come with a mount that is still missing: another start may find it.
    return parsed.error().kind == flannel::ErrorKind::not_found ? 1 : 2;
  }
  if (const auto* print = std::get_if<flannel::PrintAndExit>(&*parsed)) {
    std::cout << print->text;
    return 0;
  }
  return flannel::run(std::get<flannel::Options>(*parsed));
}
