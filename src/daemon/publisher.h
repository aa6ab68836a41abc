// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "daemon/agent.h"
#include "daemon/problem_list.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "status/board.h"

namespace flannel {

// Publishes the state of this host in one network to the log and the status board, at most once in
// each turn of the loop. Loop thread only.
class Publisher {
 public:
  struct Parts {
    Loop& loop;  // both must outlive the publisher
    StatusBoard& board;
    std::string network;  // its name; empty: it has none
    // Returns the agent; null: this host has none in the network now.
    std::function<const Agent*()> agent;
    // Returns what is wrong, in place of the agent's problems while there is none.
    std::function<std::vector<Problem>()> problems;
    std::function<void()> on_published;  // line() may be another
  };

  explicit Publisher(Parts parts) : parts_(std::move(parts)) {}

  void changed() {
    if (!due_.armed()) due_.arm(parts_.loop.now());
  }
  void publish();

  // Returns the state that was published last, as one line.
  const std::string& line() const { return line_; }

 private:
  Parts parts_;
  Timer due_{parts_.loop, [this] { publish(); }};
  ProblemList problems_;
  std::string line_;
  bool connected_ = false;
  TimePoint since_ = BootClock::now();
};

}  // namespace flannel
