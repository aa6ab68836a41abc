// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <iostream>
#include <variant>

#include "daemon/option_source.h"
#include "daemon/run.h"
#include "daemon/scrub.h"

int main(int argc, char** argv) {
  flannel::OptionSource source({argv + 1, argv + argc}, environ);
  const auto parsed = source.read();
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
  return flannel::run(std::get<flannel::Options>(*parsed), source);
}
