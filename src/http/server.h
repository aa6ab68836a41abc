// SPDX-License-Identifier: Apache-2.0
// An HTTP/1.1 server with a thread of its own, so that it answers while the loop of the daemon is
// busy. HttpConnections says how it treats its clients.
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
  // The handler runs on the server's thread, so it may only read immutable snapshots. The thread
  // inherits the signal mask of the caller.
  static Result<std::unique_ptr<HttpServer>> open(
      Fd listener, HttpHandler handler, const HttpLimits& limits = HttpLimits::for_this_process());
  ~HttpServer();  // calls stop()
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Closes all connections and ends the thread within milliseconds. No handler runs afterwards.
  void stop();

 private:
  HttpServer(std::unique_ptr<EpollLoop> loop, std::unique_ptr<HttpConnections> connections);

  std::unique_ptr<EpollLoop> loop_;
  std::unique_ptr<HttpConnections> connections_;
  std::thread thread_;
};

}  // namespace flannel
