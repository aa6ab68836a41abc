// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "core/lease.h"
#include "daemon/network.h"

namespace flannel {

// What an operator has named.
struct PingTarget {
  std::optional<Lease> peer = {};           // nullopt: no other host has a lease for it
  std::optional<IpPrefix> subnet = {};      // of the peer, or our own
  std::optional<IpAddress> container = {};  // nullopt: the host itself is meant
  bool is_own = false;                      // a container of this host
  std::string no_way = {};                  // why this host has no way to the peer; empty: it has
};

// Finds a peer by its node id or 4 and more digits of it, its public IP or its subnet, or the host
// that has a container's address. Fails if `text` is none of these, or names several peers.
Result<PingTarget> find_ping_target(const Network& network, std::string_view text);

}  // namespace flannel
