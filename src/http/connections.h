// SPDX-License-Identifier: Apache-2.0
// The connections of an HTTP/1.1 server, all on one loop: one request each, then it is closed. What
// a connection may hold is bounded, in time, in bytes and in number, so that strangers who send or
// read slowly cost others nothing.
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

namespace flannel {

struct HttpLimits {
  Duration lifetime = std::chrono::seconds(2);  // of a connection, whatever it does
  std::size_t connections = 1024;               // one more ends the oldest
  std::size_t head = 8 << 10;                   // bytes of a request
  std::size_t unsent = 16 << 20;                // bytes of answers; beyond, the oldest ends

  // As many connections as leave descriptors for others: a quarter of few.
  static HttpLimits for_this_process();
};

class HttpConnections {
 public:
  // Serves what connects to `listener`, which does not block: TCP or a unix socket. `loop` outlives
  // it; everything happens on the loop's thread.
  static Result<std::unique_ptr<HttpConnections>> open(Loop& loop, Fd listener, HttpHandler handler,
                                                       const HttpLimits& limits);
  ~HttpConnections();  // cuts them
  HttpConnections(const HttpConnections&) = delete;
  HttpConnections& operator=(const HttpConnections&) = delete;

 private:
  struct Connection;
  using Place = std::list<Connection>::iterator;

  HttpConnections(Loop& loop, Fd listener, HttpHandler handler, const HttpLimits& limits);
  Result<void> watch_listener();
  void accept_some();
  void rest_from_accepting();
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
  std::list<Connection> connections_;  // the oldest first
  std::size_t unsent_ = 0;             // bytes of answers in connections_
  SubscriptionPtr acceptable_, rest_, deadline_;
};

}  // namespace flannel
