// SPDX-License-Identifier: Apache-2.0
// An HTTP/1.1 server with a thread of its own, so that it answers while the daemon's loop is busy:
// one request a connection, and an end to each connection, however slowly it talks.
#pragma once

#include <memory>
#include <thread>

#include "base/result.h"
#include "http/connections.h"
#include "http/listen.h"
#include "loop/epoll_loop.h"

namespace flannel {

class HttpServer {
 public:
  // The handler is called on the server's thread, so it may look at immutable snapshots only. The
  // thread inherits the caller's signal mask.
  static Result<std::unique_ptr<HttpServer>> open(
      Fd listener, HttpHandler handler, const HttpLimits& limits = HttpLimits::for_this_process());
  ~HttpServer();  // stops
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Ends within milliseconds: connections under way are cut. No handler runs afterwards.
  void stop();

 private:
  HttpServer(std::unique_ptr<EpollLoop> loop, std::unique_ptr<HttpConnections> connections);

  std::unique_ptr<EpollLoop> loop_;
  std::unique_ptr<HttpConnections> connections_;
  std::thread thread_;
};

}  // namespace flannel
