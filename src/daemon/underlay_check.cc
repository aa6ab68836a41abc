// SPDX-License-Identifier: Apache-2.0
#include "daemon/underlay_check.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/problem_kinds.h"
#include "plan/underlay_state.h"

namespace flannel {
namespace {

// While there is a problem; see check().
constexpr auto kRetry = std::chrono::seconds(5);

}  // namespace

UnderlayCheck::UnderlayCheck(Parts parts) : parts_(std::move(parts)) {}

void UnderlayCheck::set_request(UnderlayRequest request, Underlay used) {
  parts_.request = std::move(request);
  parts_.used = std::move(used);
  next_.reset();
}

std::vector<Problem> UnderlayCheck::find_problems() {
  const auto view = parts_.host.view();
  if (!view) return {make_problem(kUnderlayUnreadable, "", view.error().text)};
  const auto chosen = is_choice_due_ ? choose_by_wish(*view) : Result<void>();
  UnderlayState state = underlay_state(parts_.used, parts_.request, *view);
  if (state.underlay != parts_.used) follow(state.underlay, state.problems);
  if (state.next) {
    consider(*state.next, state.problems);
  } else {
    next_.reset();
  }
  if (!chosen) {
    state.problems.push_back(
        make_problem(kUnderlayNotAsAsked, parts_.used.interface,
                     fmt::format("{} stays in use, another one was asked for: {}",
                                 parts_.used.interface, chosen.error().text)));
  }
  return std::move(state.problems);
}

// What is programmed by parts_.use() is watched from then on, and with that comes another check.
Result<void> UnderlayCheck::use(const Underlay& underlay) {
  Underlay former = std::exchange(parts_.used, underlay);
  next_.reset();
  auto used = parts_.use(underlay);
  if (!used) parts_.used = std::move(former);
  return used;
}

void UnderlayCheck::set_wish(UnderlayRequest request) {
  if (parts_.request == request) return;
  parts_.request = std::move(request);
  is_choice_due_ = true;
  check();
}

// What is programmed by use() leads to another check, for which the choice is made.
Result<void> UnderlayCheck::choose_by_wish(const HostView& view) {
  const UnderlayChoice choice = TRY(choose_underlay(parts_.request, view));
  const std::string was = parts_.used.interface;
  is_choice_due_ = false;
  if (choice.underlay != parts_.used) {
    if (auto used = use(choice.underlay); !used) {
      is_choice_due_ = true;
      return used;
    }
  }
  log::info("the underlay is chosen anew, as the options say",
            {{"interface", choice.underlay.interface}, {"was", was}});
  for (const std::string& reason : choice.reasons)
    log::info(reason);
  return {};
}

void UnderlayCheck::follow(const Underlay& present, std::vector<Problem>& problems) {
  const std::string was = fmt::format("{} mtu {}", parts_.used.interface, parts_.used.mtu);
  if (auto used = use(present); !used) {
    problems.push_back(
        make_problem(kUnderlayNotFollowed, present.interface,
                     fmt::format("{} has changed: {}", present.interface, used.error().text)));
    return;
  }
  log::info("the underlay interface has another name, index or MTU",
            {{"name", present.interface},
             {"index", present.interface_index},
             {"mtu", present.mtu},
             {"was", was}});
}

void UnderlayCheck::consider(const UnderlayChoice& next, std::vector<Problem>& problems) {
  const TimePoint now = parts_.loop.now();
  if (next_ != next.underlay) {
    next_ = next.underlay;
    next_since_ = now;
  }
  if (now - next_since_ < kSettle) return;
  const std::string was = parts_.used.interface;
  if (auto used = use(next.underlay); !used) {
    problems.push_back(make_problem(
        kUnderlayNotFollowed, next.underlay.interface,
        fmt::format("cannot use {} in its place: {}", next.underlay.interface, used.error().text)));
    return;
  }
  log::warning("the underlay is another one now",
               {{"interface", next.underlay.interface}, {"was", was}});
  for (const std::string& reason : next.reasons)
    log::info(reason);
  problems.clear();
}

void UnderlayCheck::check() {
  auto now = find_problems();
  if (now != problems_) {
    problems_ = std::move(now);
    parts_.on_state();
  }
  parts_.on_checked();
  retry_.cancel();
  if (!problems_.empty() || next_) retry_.arm_after(kRetry);
}

}  // namespace flannel
