// SPDX-License-Identifier: Apache-2.0
#include "daemon/exit_guard.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/log.h"

namespace flannel {
namespace {

std::atomic<bool> guarded = false;

void at_exit(int status, void*) {
  if (!guarded) return;
  const int error = errno;
  log::error("a library ended the process; is there memory, and are there descriptors?",
             {{"status", status}, {"last_error", std::strerror(error)}});
  ::_exit(1);
}

}  // namespace

// Exit handlers run in reverse order. The log was used before, so it still works in this handler.
ExitGuard::ExitGuard() {
  static const int registered = ::on_exit(at_exit, nullptr);
  static_cast<void>(registered);
  guarded = true;
}

ExitGuard::~ExitGuard() {
  guarded = false;
}

}  // namespace flannel
