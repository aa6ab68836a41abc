// SPDX-License-Identifier: Apache-2.0
// The call POST /v1/ping: docs/control-api.md.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "core/lease.h"
#include "probe/ping.h"

namespace flannel::control {

struct PingCall {
  std::string target;
  ProbeSizes sizes = {};  // 0: as short as can be
};

// Reads {"target": "10.5.2.0/24", "size": 1450, "answer_size": 60}, of which target is required.
Result<PingCall> read_ping(std::string_view body);

// What came of it.
struct PingReport {
  std::optional<Lease> peer = {};
  std::optional<IpPrefix> subnet = {};
  std::optional<IpAddress> container = {};
  bool is_own = false;  // the container is one of this host
  std::string no_way = {};
  bool was_sent = false;  // to the peer, or to a container of this host
  std::uint32_t mtu = 0;  // the longest packet of a container to the peer
  PingOutcome outcome = {};
  std::string tunnel = {};  // "udp/8472"; empty: packets go as they are
};

nlohmann::ordered_json ping_json(const PingReport& report);

}  // namespace flannel::control
