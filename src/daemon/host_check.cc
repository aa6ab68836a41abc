// SPDX-License-Identifier: Apache-2.0
#include "daemon/host_check.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "daemon/trouble_log.h"

namespace flannel {
namespace {

constexpr Duration kPause = std::chrono::minutes(1);
constexpr Duration kSoon = std::chrono::seconds(1);

}  // namespace

HostCheck::HostCheck(Parts parts) : parts_(std::move(parts)) {}

void HostCheck::check() {
  const TimePoint begun = BootClock::now();
  auto now = read_troubles();
  took_ = BootClock::now() - begun;
  const bool changed = log_troubles("host", troubles_, now);
  troubles_ = std::move(now);
  timer_.arm_after(std::max<Duration>(kPause, took_ * 100));
  if (changed) parts_.on_state();
}

std::vector<HostTrouble> HostCheck::read_troubles() {
  auto state = parts_.read_state();
  if (!state) return {{state.error().text}};
  return host_troubles(*state, parts_.overlay());
}

void HostCheck::suspect() {
  const TimePoint at = parts_.loop.now() + std::max(kSoon, took_ * 20);
  if (at < timer_.due()) timer_.arm(at);
}

}  // namespace flannel
