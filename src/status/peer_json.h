// SPDX-License-Identifier: Apache-2.0
// Peers as JSON: docs/control-api.md.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "core/announced_backend.h"
#include "core/listed_lease.h"
#include "probe/path_state.h"
#include "status/load_history.h"

namespace flannel::control {

// What probes of one subnet of a peer have shown.
struct PathRow {
  Family family = Family::v4;
  PathView path{};
  std::string why{};  // it is not ok
};

// A peer as this host knows it.
struct PeerRow {
  Shared<Lease> lease;
  // "missing", "suspected" or "unreachable", which say more than probes; empty: probes say it.
  std::string_view state;
  std::string why{};             // it is unreachable
  std::vector<PathRow> paths{};  // empty: it is not probed
  // To and from all its subnets; nullopt: the kernel carries the packets, and counts no peers.
  std::optional<CarriedBytes> bytes{};
};

nlohmann::ordered_json peer_json(const PeerRow& peer, const AnnouncedBackend& configured,
                                 TimePoint now);

}  // namespace flannel::control
