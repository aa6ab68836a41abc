// SPDX-License-Identifier: Apache-2.0
// The answers of the control socket, as JSON: docs/control-api.md.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "core/announced_backend.h"
#include "core/health_row.h"
#include "core/pool_use.h"
#include "core/quarantine.h"
#include "http/message.h"
#include "plan/comparison.h"
#include "plan/wireguard.h"
#include "status/board.h"
#include "status/peer_json.h"
#include "status/ping_json.h"

namespace flannel::control {

// A request that the daemon serves.
enum class Call {
  networks,
  status,
  peers,
  ping,
  diff,
  events,
  health_rows,
  options,
  metrics,
  log_level,
  set_log_level,
  set_checksums,
  rotate_wireguard_key
};

// Returns the call of this request, or the answer that refuses it: 404 without such a path, 405
// without such a method for it, 403 if the process may not make it. Processes of root, and of the
// user `owner` of the daemon, may make every call; others, who may connect, only those that read.
tl::expected<Call, HttpResponse> find_call(const HttpRequest& request, uid_t owner);

// Returns the name of the network that the request is about: that of its query, ?network=NAME, or
// the only one. Or the answer that refuses it: 404 without a network of this name, 400 if there are
// several and none is named.
tl::expected<std::string, HttpResponse> find_network(const HttpRequest& request,
                                                     const NetworkStatuses& networks);

// All that is to be said of peers, as a value that another thread can render.
struct PeersView {
  AnnouncedBackend configured{};  // what a lease that does not say all has
  std::vector<PeerRow> peers{};
  std::vector<QuarantinedRecord> quarantined{};
  std::size_t more_quarantined = 0;
};

HttpResponse networks_answer(const NetworkStatuses& networks, const DaemonStatus& daemon,
                             TimePoint now);
// `pools`: those of the network.
HttpResponse status_answer(const StatusSnapshot& status, const std::vector<PoolUse>& pools,
                           TimePoint now);
HttpResponse peers_answer(const PeersView& view, TimePoint now);
HttpResponse ping_answer(const PingReport& report);
// `age`: so long ago the kernel was read. Names the first kMostDifferences.
inline constexpr std::size_t kMostDifferences = 1000;
HttpResponse diff_answer(const Comparison& comparison, std::chrono::milliseconds age);
HttpResponse events_answer(const std::vector<log::Event>& events);
HttpResponse health_rows_answer(const SeenRows& rows, TimePoint now);
// `options`: the values by the names of the flags, without secrets.
HttpResponse options_answer(const std::map<std::string, std::vector<std::string>>& options);
// The text of metrics_text(), which the health server may not serve to this process.
HttpResponse metrics_answer(std::string_view text);
HttpResponse log_level_answer(int verbosity);
// Reads the body of set_log_level: {"v": 2}, 0 to 10.
Result<int> read_log_level(std::string_view body);
// Reads the body of set_checksums: {"software": true}.
Result<bool> read_checksums(std::string_view body);
// `devices`: those whose checksums are filled in so.
HttpResponse checksums_answer(bool software, const std::vector<std::string>& devices);
// `former`: the key that this one has replaced.
HttpResponse wireguard_key_answer(const WireguardKey& key, const WireguardKey& former);
HttpResponse error_answer(int status, std::string_view error);

}  // namespace flannel::control
