// SPDX-License-Identifier: Apache-2.0
#include "daemon/host_check.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "base/problem_kinds.h"

namespace flannel {
namespace {

constexpr Duration kPause = std::chrono::minutes(1);
constexpr Duration kSoon = std::chrono::seconds(1);

}  // namespace

HostCheck::HostCheck(Parts parts) : parts_(std::move(parts)) {}

void HostCheck::check() {
  const TimePoint begun = BootClock::now();
  auto now = find_problems();
  took_ = BootClock::now() - begun;
  timer_.arm_after(std::max<Duration>(kPause, took_ * 100));
  if (now == problems_) return;
  problems_ = std::move(now);
  parts_.on_state();
}

std::vector<Problem> HostCheck::find_problems() {
  std::vector<Problem> all;
  for (const HostQuery& query : parts_.queries()) {
    auto state = parts_.host.traffic_state(query);
    std::vector<Problem> problems;
    if (state) {
      if (query.family() == Family::v4) count_refused(query, *state);
      problems = host_problems(*state, parts_.overlay(query.family()));
    } else {
      problems.push_back(make_problem(kHostUnreadable, "", state.error().text));
    }
    // What keeps the host from being read is the same for both families.
    std::ranges::copy_if(problems, std::back_inserter(all), [&all](const Problem& problem) {
      return std::ranges::find(all, problem) == all.end();
    });
  }
  return all;
}

// What the kernel dropped before our first look at its counter is no problem of now.
void HostCheck::count_refused(const HostQuery& query, HostState& state) {
  state.refused_before = refused_sources_.value_or(state.refused_sources);
  if (query.one_way.empty()) {
    refused_sources_.reset();
  } else {
    refused_sources_ = state.refused_sources;
  }
}

void HostCheck::suspect() {
  const TimePoint at = parts_.loop.now() + std::max(kSoon, took_ * 20);
  if (at < timer_.due()) timer_.arm(at);
}

}  // namespace flannel
