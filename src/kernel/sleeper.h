// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "dataplane/ports.h"

namespace flannel {

// Lets one thread sleep until a descriptor is readable or another thread wakes it.
class Sleeper {
 public:
  static Result<Sleeper> open();

  // One thread. `gone`: the descriptor reports an error that reading will not clear.
  Wake wait(int fd);
  // Any thread.
  void wake();

 private:
  explicit Sleeper(Fd event) : event_(std::move(event)) {}

  Fd event_;
};

}  // namespace flannel
