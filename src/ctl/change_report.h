// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config_change.h"
#include "core/store_feed.h"
#include "ctl/network_report.h"

namespace flannel {

// What hosts that run do when a configuration replaces the one in the store.
struct ChangeReport {
  // So many hosts that are cut off are listed, and the others counted.
  static constexpr std::size_t kMostListed = 20;

  ConfigChange change;
  bool is_first = false;        // there was no configuration
  std::string unreadable = {};  // what is wrong with the one in the store; empty: nothing
  // The MTU of containers. nullopt: the store had no valid configuration.
  std::optional<std::uint32_t> mtu_before = {};
  std::uint32_t mtu_after = 0;
};

// `next`: the report on the new configuration.
ChangeReport report_on_change(const Snapshot& snapshot, const NetworkReport& next);

// Returns what each host does, as lines of text; empty for the first configuration.
std::string to_text(const ChangeReport& report);

// Returns what stands against the change, a sentence for each host; empty: nothing.
std::vector<std::string> objections_in(const ChangeReport& report);

// Returns in one sentence why the change is refused.
std::string refusal_of(const ConfigChange& change);

}  // namespace flannel
