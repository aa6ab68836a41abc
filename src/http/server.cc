// SPDX-License-Identifier: Apache-2.0
#include "http/server.h"

#include <utility>

#include "base/log.h"

namespace flannel {

Result<std::unique_ptr<HttpServer>> HttpServer::open(Fd listener, HttpHandler handler,
                                                     const HttpLimits& limits) {
  auto loop = TRY(EpollLoop::open());
  auto connections =
      TRY(HttpConnections::open(*loop, std::move(listener), std::move(handler), limits));
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(loop), std::move(connections)));
}

HttpServer::HttpServer(std::unique_ptr<EpollLoop> loop,
                       std::unique_ptr<HttpConnections> connections)
    : loop_(std::move(loop)), connections_(std::move(connections)) {
  thread_ = std::thread([this] {
    const auto ended = loop_->run();
    if (!ended) log::error("the health server failed", {{"why", ended.error().text}});
  });
}

HttpServer::~HttpServer() {
  stop();
}

void HttpServer::stop() {
  if (!thread_.joinable()) return;
  loop_->poster()->post([this] { loop_->stop(); });
  thread_.join();
  connections_.reset();
}

}  // namespace flannel
