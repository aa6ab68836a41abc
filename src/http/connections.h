// SPDX-License-Identifier: Apache-2.0
// The connections of an HTTP/1.1 server, all on one loop. Each serves one request and is then
// closed. Their lifetime, memory and number are limited, so that clients that send or read slowly
// do not delay others. A stream, whose answer has no end, may live longer, and only few may be
// open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string_view>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "http/exchange.h"
#include "loop/loop.h"
#include "loop/loop_gate.h"
#include "loop/timer.h"

namespace flannel {

struct HttpLimits {
  // After which a connection is closed. If it waits for the handler's answer then, its client gets
  // the answer 503 in place of that, and has as long again to read it.
  Duration lifetime = std::chrono::seconds(2);
  std::size_t connections = 1024;  // one more closes the oldest
  std::size_t head = 8 << 10;      // bytes of the head of a request
  std::size_t body = 0;            // bytes of a body; 0: bodies are ignored
  std::size_t unsent = 16 << 20;   // bytes of answers; more closes the oldest
  std::size_t streams = 8;         // answers that go on; one more gets the answer 503
  // Bytes that a client of one has not read when more are to be sent to it; more close it.
  std::size_t unsent_stream = 4 << 20;
  // After which a stream is closed whose client acknowledges nothing.
  std::chrono::milliseconds silence = std::chrono::seconds(30);

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
  using Number = std::uint64_t;  // of a request, in the order in which they came

  HttpConnections(Loop& loop, Fd listener, HttpHandler handler, const HttpLimits& limits);
  Result<void> watch_listener();
  void accept_some();
  void rest_from_accepting();
  void accept_again();
  void add(Fd socket);
  Result<void> watch(Place at, std::uint32_t events);
  void on_ready(Place at);
  bool receive(Connection& connection);
  bool take_request(Place at, std::size_t searched);
  bool take_head(Place at, std::size_t searched);
  bool ask(Place at);
  void answer(Number number, const HttpReply::Make& make);
  bool begin_to_send(Place at, std::string answer);
  bool begin_stream(Place at, const HttpResponse& response);
  void go_on(Number number, const HttpSink::Make& make);
  bool send(Place at);
  bool drain(const Connection& connection);
  void remove(Place at);
  void keep_unsent_small();
  void on_deadline();
  void give_up(Place at);

  Loop& loop_;
  Fd listener_;
  HttpExchange exchange_;
  HttpHandler handler_;
  HttpLimits limits_;
  std::list<Connection> connections_;  // oldest first, without streams
  std::list<Connection> streams_;
  std::map<Number, Place> asked_;  // connections that wait for the handler's answer, and streams
  Number last_number_ = 0;
  std::size_t unsent_ = 0;  // bytes of answers in connections_
  SubscriptionPtr acceptable_;
  Timer rest_{loop_, [this] { accept_again(); }};
  Timer deadline_{loop_, [this] { on_deadline(); }};  // of the oldest connection
  LoopGate gate_{loop_};                              // by which answers come
};

}  // namespace flannel
