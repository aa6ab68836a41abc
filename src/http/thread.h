// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <thread>

namespace flannel {

// The thread takes no signal of the program's, and no SIGPIPE from a write of a library.
std::thread start_without_signals(std::function<void()> run);

}  // namespace flannel
