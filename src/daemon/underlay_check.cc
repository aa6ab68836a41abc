// SPDX-License-Identifier: Apache-2.0
#include "daemon/underlay_check.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "base/log.h"

namespace flannel {
namespace {

constexpr auto kRetry = std::chrono::seconds(5);

}  // namespace

UnderlayCheck::UnderlayCheck(Parts parts) : parts_(std::move(parts)) {}

std::string UnderlayCheck::find_trouble() const {
  const auto view = parts_.look_at_host();
  if (!view) return view.error().text;
  const auto choice = choose_underlay(parts_.request, *view);
  if (!choice) return choice.error().text;
  if (choice->underlay == parts_.used) return {};
  return fmt::format("{} changed, it would be {} with MTU {} now; restart flanneld to take it",
                     parts_.used.interface, to_string(choice->underlay.ip), choice->underlay.mtu);
}

void UnderlayCheck::check() {
  std::string trouble = find_trouble();
  if (trouble != trouble_) {
    trouble_ = std::move(trouble);
    if (trouble_.empty()) {
      log::info("the underlay is as it was at the start");
    } else {
      log::warning("the underlay changed", {{"why", trouble_}});
    }
    parts_.on_state();
  }
  parts_.on_checked();
  retry_.reset();
  if (!trouble_.empty()) {
    retry_ = parts_.loop.at(parts_.loop.now() + kRetry, [this] { check(); });
  }
}

}  // namespace flannel
