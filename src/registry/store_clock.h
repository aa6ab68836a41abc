// SPDX-License-Identifier: Apache-2.0
// The clock of a store's host, to be compared with that of this host: etcd and Consul put their
// time into the head of each HTTP answer ("Date" of RFC 9110, section 6.6.1).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "core/registry.h"
#include "loop/loop.h"
#include "registry/endpoint_calls.h"

namespace flannel {

using ServerTime = std::chrono::system_clock::time_point;

// "Mon, 30 Nov 2026 15:04:05 GMT", the one form that servers send today; nullopt: another text.
std::optional<ServerTime> parse_http_date(std::string_view text);

// Loop thread only.
class StoreClock {
 public:
  // `path`: of a page that needs no rights, so no secret is sent. `loop` outlives the clock.
  StoreClock(EndpointAccess access, std::string path, Loop& loop);

  // Asks an endpoint for its time, in whole seconds. ErrorKind::invalid: the answer has none.
  void ask(Reply<ServerTime> reply);

 private:
  EndpointCalls calls_;
  const std::string path_;
};

}  // namespace flannel
