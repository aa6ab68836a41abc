// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace flannel {

// While this object exists, a library that calls exit(), as libnftables does without memory or
// descriptors, causes a log line, and the process exits with status 1. The status that the library
// chose could be mistaken for one of ours (2: the command line is invalid). There may be only one
// such object at a time.
class ExitGuard {
 public:
  ExitGuard();
  ~ExitGuard();
  ExitGuard(const ExitGuard&) = delete;
  ExitGuard& operator=(const ExitGuard&) = delete;
};

}  // namespace flannel
