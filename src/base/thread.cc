// SPDX-License-Identifier: Apache-2.0
#include "base/thread.h"

#include <signal.h>

#include <utility>

namespace flannel {

std::thread start_without_signals(std::function<void()> run) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(run));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace flannel
