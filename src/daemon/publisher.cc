// SPDX-License-Identifier: Apache-2.0
#include "daemon/publisher.h"

#include <chrono>
#include <utility>

#include "daemon/status_of.h"

namespace flannel {
namespace {

// Each line wakes the service manager.
constexpr auto kRest = std::chrono::seconds(1);

}  // namespace

void Publisher::changed(const Agent& agent) {
  agent_ = &agent;
  if (!due_.armed()) due_.arm(loop_.now());
}

void Publisher::publish(const Agent& agent) {
  if (std::exchange(connected_, agent.follower().connected()) != agent.follower().connected()) {
    since_ = loop_.now();
  }
  StatusSnapshot status = status_of(agent, agent.store(), since_);
  problems_.update(agent.problems(), loop_.now());
  status.problems = problems_.all();
  line_ = one_line(status);
  board_.publish(std::move(status));
  if (!rest_.armed()) notify_manager();
}

void Publisher::notify_manager() {
  notifier_.status(line_);
  rest_.arm_after(kRest);
}

}  // namespace flannel
