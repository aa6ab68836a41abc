// SPDX-License-Identifier: Apache-2.0
// Runs an operator's command by the shell, without stopping the loop.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "loop/loop.h"

namespace flannel {

struct ShellCall {
  std::string command;                      // for "sh -c"; no text of another host is in it
  std::vector<std::string> variables = {};  // "NAME=value", besides the environment of this process
  std::string input = {};                   // all that it can read from its standard input
  std::string folder = {};                  // in which it begins; empty: that of this process
  Duration deadline = std::chrono::seconds(30);
};

// So many bytes of each of the two outputs are kept; what follows is read and dropped.
inline constexpr std::size_t kMostShellOutput = 16 << 10;

struct ShellEnd {
  std::string failure = {};              // "exit status 2"; empty: it succeeded
  std::string output = {}, errors = {};  // the beginning of both, as they were written
  bool is_cut = false;                   // there was more
};

// Calls `done` once, in a later turn, when the command has ended, whatever it has left running in
// the background. The deadline, dropping the subscription, and the end of this process, also by
// SIGKILL, kill the command with all processes that it has started, except those that have left
// its process group.
//
// The command has the privileges that drop_privileges() leaves to programs, and none of the
// environment that has secrets or belongs to the service manager: FLANNELD_..., CONSUL_...,
// ETCD..., NOTIFY_SOCKET and its like. The folders of the system's programs are in its PATH.
[[nodiscard]] Result<SubscriptionPtr> run_shell(Loop& loop, ShellCall call,
                                                std::function<void(ShellEnd)> done);

}  // namespace flannel
