// SPDX-License-Identifier: Apache-2.0
#include "daemon/network_check.h"

#include <chrono>
#include <utility>

namespace flannel {
namespace {

constexpr auto kPeriod = std::chrono::seconds(30);
constexpr auto kDelay = std::chrono::milliseconds(200);

}  // namespace

void NetworkCheck::set_networks(std::vector<IpPrefix> networks) {
  parts_.networks = std::move(networks);
  check();
}

// If the host cannot be read, the last result is kept.
void NetworkCheck::read() {
  const auto view = parts_.host.view();
  if (!view) return;
  surroundings_ = find_surroundings(*view, parts_.used(), parts_.networks,
                                    parts_.host.store_addresses(), parts_.devices());
  problems_.clear();
  for (const IpPrefix& network : parts_.networks) {
    if (auto clash = find_clash(network, surroundings_)) problems_.push_back(*std::move(clash));
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
