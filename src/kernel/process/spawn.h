// SPDX-License-Identifier: Apache-2.0
// Starts a program.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace flannel {

// A file in memory with this text, to be read from its beginning.
Result<Fd> memory_file(const std::string& text);

struct SpawnCall {
  std::vector<std::string> words;  // the first is a full path
  int input = -1, output = -1, errors = -1;
  // The program has this one as descriptor 3; -1: it has none.
  int fourth = -1;
  // "NAME=value"; null: the environment of this process.
  const std::vector<std::string>* environment = nullptr;
  std::string folder = {};   // in which it begins; empty: that of this process
  bool leads_group = false;  // of processes, whose id is that of the program
};

// Returns the process id, which the caller must wait for. Signals are reset to what a program
// expects; the loop blocks some.
Result<pid_t> spawn(const SpawnCall& call);

}  // namespace flannel
