// SPDX-License-Identifier: Apache-2.0
// The connections of an HTTP/1.1 server, all on one loop. Each serves one request and is then
// closed. Their lifetime, memory and number are limited, so that clients that send or read slowly
// do not delay others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string_view>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "http/exchange.h"
#include "loop/loop.h"
#include "loop/timer.h"

namespace flannel {

struct HttpLimits {
  Duration lifetime = std::chrono::seconds(2);  // after which a connection is closed in any case
  std::size_t connections = 1024;               // one more closes the oldest
  std::size_t head = 8 << 10;                   // bytes of a request
  std::size_t unsent = 16 << 20;                // bytes of answers; more closes the oldest

  // Allows few enough connections to leave descriptors for other uses: a quarter of a low limit.
  static HttpLimits for_this_process();
};

class HttpConnections {
 public:
  // Serves the clients of `listener`, a non-blocking TCP or unix socket. `loop` must outlive this
  // object; everything runs on the loop thread.
  static Result<std::unique_ptr<HttpConnections>> open(Loop& loop, Fd listener, HttpHandler handler,
                                                       const HttpLimits& limits);
  ~HttpConnections();  // closes all connections
  HttpConnections(const HttpConnections&) = delete;
  HttpConnections& operator=(const HttpConnections&) = delete;

 private:
  struct Connection;
  using Place = std::list<Connection>::iterator;

  HttpConnections(Loop& loop, Fd listener, HttpHandler handler, const HttpLimits& limits);
  Result<void> watch_listener();
  void accept_some();
  void rest_from_accepting();
  void accept_again();
  void add(Fd socket);
  Result<void> watch(Place at, std::uint32_t events);
  void on_ready(Place at);
  bool receive(Connection& connection);
  bool answer(Place at, std::string_view request);
  bool send(Place at);
  bool drain(const Connection& connection);
  void remove(Place at);
  void keep_unsent_small();
  void on_deadline();

  Loop& loop_;
  Fd listener_;
  HttpExchange exchange_;
  HttpLimits limits_;
  std::list<Connection> connections_;  // oldest first
  std::size_t unsent_ = 0;             // bytes of answers in connections_
  SubscriptionPtr acceptable_;
  Timer rest_{loop_, [this] { accept_again(); }};
  Timer deadline_{loop_, [this] { on_deadline(); }};  // of the oldest connection
};

}  // namespace flannel
