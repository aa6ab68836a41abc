// SPDX-License-Identifier: Apache-2.0
// A program that a test starts. The destructor kills it and waits for its end; the kernel kills it
// if the test dies.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace flannel {

class ChildProcess {
 public:
  // `command`: program (looked up in PATH) and arguments. Output goes to the file `log`.
  static Result<ChildProcess> start(const std::vector<std::string>& command,
                                    const std::string& log);
  ChildProcess(ChildProcess&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess() { kill(); }

  void signal(int number) const;
  void stop();  // SIGSTOP; returns when every thread has stopped
  void kill();  // SIGKILL, and waits for the end
  // Waits for the end and returns the exit status, or -1 if a signal ended it.
  int wait();

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  pid_t pid_ = -1;
};

// Runs a command to its end and returns its output if it exited with 0.
Result<std::string> run_command(const std::vector<std::string>& command);

bool program_installed(const std::string& name);

}  // namespace flannel
