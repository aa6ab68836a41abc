// SPDX-License-Identifier: Apache-2.0
#include "daemon/host_check.h"

#include <algorithm>
#include <chrono>
#include <iterator>
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
  std::vector<HostTrouble> all;
  for (const HostQuery& query : parts_.queries()) {
    const auto state = parts_.read_state(query);
    std::vector<HostTrouble> troubles;
    if (state) {
      troubles = host_troubles(*state, parts_.overlay(query.family()));
    } else {
      troubles.push_back({state.error().text});
    }
    // What keeps the host from being read is the same for both families.
    std::ranges::copy_if(troubles, std::back_inserter(all), [&all](const HostTrouble& trouble) {
      return std::ranges::find(all, trouble) == all.end();
    });
  }
  return all;
}

void HostCheck::suspect() {
  const TimePoint at = parts_.loop.now() + std::max(kSoon, took_ * 20);
  if (at < timer_.due()) timer_.arm(at);
}

}  // namespace flannel
