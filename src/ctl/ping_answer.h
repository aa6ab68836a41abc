// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"
#include "ctl/command.h"

namespace flannel {

struct PingAnswer {
  bool came = false;
  std::string text;  // "answer in 0.21 ms", or where it stops and why
};

// Has the daemon ping a peer or a container once. An error: the daemon could not be asked.
Result<PingAnswer> ping_answer(const CtlOptions& options, const std::string& target);

}  // namespace flannel
