// SPDX-License-Identifier: Apache-2.0
#include "daemon/underlay_check.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "base/log.h"
#include "daemon/trouble_log.h"
#include "plan/underlay_state.h"

namespace flannel {
namespace {

// While there is a problem; see check().
constexpr auto kRetry = std::chrono::seconds(5);

}  // namespace

UnderlayCheck::UnderlayCheck(Parts parts) : parts_(std::move(parts)) {}

std::vector<HostTrouble> UnderlayCheck::read_troubles() {
  const auto view = parts_.read_host();
  if (!view) return {{view.error().text}};
  UnderlayState state = underlay_state(parts_.used, parts_.request, *view);
  if (state.underlay != parts_.used) follow(state.underlay, state.troubles);
  if (state.next) {
    consider(*state.next, state.troubles);
  } else {
    next_.reset();
  }
  return std::move(state.troubles);
}

// What is programmed by parts_.use() is watched from then on, and with that comes another check.
Result<void> UnderlayCheck::use(const Underlay& underlay) {
  Underlay former = std::exchange(parts_.used, underlay);
  next_.reset();
  auto used = parts_.use(underlay);
  if (!used) parts_.used = std::move(former);
  return used;
}

void UnderlayCheck::follow(const Underlay& present, std::vector<HostTrouble>& troubles) {
  const std::string was = fmt::format("{} mtu {}", parts_.used.interface, parts_.used.mtu);
  if (auto used = use(present); !used) {
    troubles.push_back({fmt::format("{} has changed: {}", present.interface, used.error().text)});
    return;
  }
  log::info("the underlay interface has another name, index or MTU",
            {{"name", present.interface},
             {"index", present.interface_index},
             {"mtu", present.mtu},
             {"was", was}});
}

void UnderlayCheck::consider(const UnderlayChoice& next, std::vector<HostTrouble>& troubles) {
  const TimePoint now = parts_.loop.now();
  if (next_ != next.underlay) {
    next_ = next.underlay;
    next_since_ = now;
  }
  if (now - next_since_ < kSettle) return;
  const std::string was = parts_.used.interface;
  if (auto used = use(next.underlay); !used) {
    troubles.push_back({fmt::format("cannot use {} in its place: {}", next.underlay.interface,
                                    used.error().text)});
    return;
  }
  log::warning("the underlay is another one now",
               {{"interface", next.underlay.interface}, {"was", was}});
  for (const std::string& reason : next.reasons)
    log::info(reason);
  troubles.clear();
}

void UnderlayCheck::check() {
  auto now = read_troubles();
  const bool changed = log_troubles("underlay", troubles_, now);
  troubles_ = std::move(now);
  if (changed) parts_.on_state();
  parts_.on_checked();
  retry_.cancel();
  if (!troubles_.empty() || next_) retry_.arm_after(kRetry);
}

}  // namespace flannel
