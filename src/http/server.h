// SPDX-License-Identifier: Apache-2.0
// An HTTP/1.1 server with a thread of its own, so that it answers while the loop of the daemon is
// busy. It serves any number of listeners. HttpConnections says how it treats its clients.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "base/result.h"
#include "http/connections.h"
#include "http/listen.h"
#include "loop/epoll_loop.h"

namespace flannel {

// What is served to the clients of one listener: a non-blocking TCP or unix socket.
struct HttpService {
  Fd listener;
  HttpHandler handler;  // runs on the thread of the server
  HttpLimits limits = HttpLimits::for_this_process();
};

class HttpServer {
 public:
  // The thread inherits the signal mask of the caller.
  static Result<std::unique_ptr<HttpServer>> open(std::vector<HttpService> services);
  ~HttpServer();  // calls stop()
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Closes all connections and ends the thread within milliseconds. No handler runs afterwards.
  void stop();

 private:
  using Connections = std::vector<std::unique_ptr<HttpConnections>>;

  HttpServer(std::unique_ptr<EpollLoop> loop, Connections connections);

  std::unique_ptr<EpollLoop> loop_;
  Connections connections_;
  std::thread thread_;
};

}  // namespace flannel
