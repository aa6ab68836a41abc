// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/clock.h"
#include "daemon/agent.h"
#include "daemon/problem_list.h"
#include "daemon/sd_notify.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "status/board.h"

namespace flannel {

// Publishes the state of the agent to the log, the service manager and the health pages, at most
// once in each turn of the loop. Loop thread only.
class Publisher {
 public:
  // All must outlive the publisher.
  Publisher(Loop& loop, StatusBoard& board, ServiceNotifier& notifier)
      : loop_(loop), board_(board), notifier_(notifier) {}

  // `agent` must outlive the publisher.
  void changed(const Agent& agent);
  void publish(const Agent& agent);

  // Returns the state that was published last, as one line.
  const std::string& line() const { return line_; }

 private:
  void notify_manager();

  Loop& loop_;
  StatusBoard& board_;
  ServiceNotifier& notifier_;
  const Agent* agent_ = nullptr;  // that changed last
  Timer due_{loop_, [this] { publish(*agent_); }};
  Timer rest_{loop_, [this] { notifier_.status(line_); }};
  ProblemList problems_;
  std::string line_;
  bool connected_ = false;
  TimePoint since_ = BootClock::now();
};

}  // namespace flannel
