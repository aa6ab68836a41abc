// SPDX-License-Identifier: Apache-2.0
// Runs a program to its end, without a shell and without stopping the loop.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "loop/loop.h"

namespace flannel {

// The full path of the program: in PATH, else in /usr/sbin and its like. nullopt: there is none.
std::optional<std::string> find_program(const std::string& name);

struct ProgramCall {
  std::vector<std::string> words;  // the first is a full path
  std::string input;               // all that it can read from its standard input
  Duration deadline = std::chrono::seconds(15);
};

// Calls `done` once, in a later turn, with the program's standard output if it exits with 0, else
// with an error that has its standard error. Dropping the subscription, or the deadline, kills the
// program.
[[nodiscard]] Result<SubscriptionPtr> run_program(Loop& loop, ProgramCall call,
                                                  std::function<void(Result<std::string>)> done);

}  // namespace flannel
