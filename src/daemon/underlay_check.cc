// SPDX-License-Identifier: Apache-2.0
#include "daemon/underlay_check.h"

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
  if (state.underlay != parts_.used) {
    log::info("the underlay interface has another name or index",
              {{"name", state.underlay.interface},
               {"index", state.underlay.interface_index},
               {"was", parts_.used.interface}});
    parts_.used = std::move(state.underlay);
    parts_.on_renamed(parts_.used);
  }
  return std::move(state.troubles);
}

void UnderlayCheck::check() {
  auto now = read_troubles();
  const bool changed = log_troubles("underlay", troubles_, now);
  troubles_ = std::move(now);
  if (changed) parts_.on_state();
  parts_.on_checked();
  retry_.cancel();
  if (!troubles_.empty()) retry_.arm_after(kRetry);
}

}  // namespace flannel
