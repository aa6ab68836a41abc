// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <thread>

namespace flannel {

// Starts a thread that handles no signals of the program, and no SIGPIPE when a library writes to a
// closed socket.
std::thread start_without_signals(std::function<void()> run);

}  // namespace flannel
