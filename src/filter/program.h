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

// The full path of the program: in PATH, or where administrators' programs are.
std::optional<std::string> find_program(const std::string& name);

struct ProgramCall {
  std::vector<std::string> words;  // the first is a full path
  std::string input;               // of its standard input, all of it
  Duration deadline = std::chrono::seconds(15);
};

// `done` in a later turn, once: what it wrote to standard output if it exits with 0, else what it
// wrote to standard error. Dropping the subscription, or the deadline, kills the program.
[[nodiscard]] Result<SubscriptionPtr> run_program(Loop& loop, ProgramCall call,
                                                  std::function<void(Result<std::string>)> done);

}  // namespace flannel
