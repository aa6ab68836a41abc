// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>

#include "base/log.h"
#include "ctl/command_line.h"
#include "ctl/running_daemons.h"
#include "kernel/host/host_view.h"

int main(int argc, char** argv) {
  std::signal(
      SIGPIPE,
      SIG_IGN);  // writing to a closed connection or pager is an error and does not end the program
  std::signal(SIGCHLD,
              SIG_DFL);  // if it were ignored, programs that we run would end without a status
  flannel::log::set_least_level(flannel::log::Level::warning);
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  return flannel::run_ctl(
      arguments, [](const std::string& name) { return std::getenv(name.c_str()); },
      {std::cin, std::cout, std::cerr, flannel::read_host,
       [] { return flannel::running_daemons(); }},
      flannel::set_variables(environ));
}
