// SPDX-License-Identifier: Apache-2.0
// A small HTTP/1.1 server for health checks: one request a connection, two threads, and an
// end to each connection, however slowly it talks.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "http/message.h"

namespace flannel {

// Called on the server's threads, two at a time: it may look at immutable snapshots only.
using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

class HttpServer {
 public:
  // Listens on `ip` (IPv4 or IPv6) and `port`; port 0 takes a free one. The error names both.
  // A connection is cut after `for_connection`. The threads inherit the caller's signal mask.
  static Result<std::unique_ptr<HttpServer>> open(
      const std::string& ip, std::uint16_t port, HttpHandler handler,
      Duration for_connection = std::chrono::seconds(2));
  virtual ~HttpServer() = default;  // stops

  virtual std::uint16_t port() const = 0;
  // Ends within milliseconds: connections under way are cut. No handler runs afterwards.
  virtual void stop() = 0;
};

}  // namespace flannel
