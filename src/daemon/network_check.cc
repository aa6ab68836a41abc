// SPDX-License-Identifier: Apache-2.0
#include "daemon/network_check.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"

namespace flannel {
namespace {

constexpr auto kPeriod = std::chrono::seconds(30);
constexpr auto kDelay = std::chrono::milliseconds(200);

}  // namespace

NetworkCheck::NetworkCheck(Parts parts) : parts_(std::move(parts)) {
  read();
}

// If the host cannot be read, the last result is kept.
void NetworkCheck::read() {
  const auto view = parts_.read_host();
  if (!view) return;
  surroundings_ = find_surroundings(*view, parts_.used(), parts_.networks, parts_.endpoints(),
                                    parts_.devices());
  std::vector<std::string> troubles;
  for (const IpPrefix& network : parts_.networks) {
    if (auto clash = find_clash(network, surroundings_)) troubles.push_back(*std::move(clash));
  }
  const std::vector<std::string> before = std::exchange(troubles_, std::move(troubles));
  for (const std::string& trouble : troubles_) {
    if (std::ranges::find(before, trouble) == before.end()) log::warning(trouble);
  }
  if (troubles_.empty() && !before.empty()) {
    log::info("the network overlaps nothing that this host uses any more");
  }
}

void NetworkCheck::check() {
  const Surroundings before = surroundings_;
  read();
  if (surroundings_ != before) parts_.on_change();
  timer_.arm_after(kPeriod);
}

void NetworkCheck::suspect() {
  const TimePoint soon = parts_.loop.now() + kDelay;
  if (soon < timer_.due()) timer_.arm(soon);
}

}  // namespace flannel
