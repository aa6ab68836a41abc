// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace flannel {

// While it lives, a library that ends the process with exit(), as libnftables does without memory
// or descriptors, is named in the log, and the process ends with 1: the status that such a call
// chose would mean something else to whoever started us (2: the command line was not understood).
// At most one at a time.
class ExitGuard {
 public:
  ExitGuard();
  ~ExitGuard();
  ExitGuard(const ExitGuard&) = delete;
  ExitGuard& operator=(const ExitGuard&) = delete;
};

}  // namespace flannel
