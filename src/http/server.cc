// SPDX-License-Identifier: Apache-2.0
#include "http/server.h"

#include <utility>

#include "base/log.h"

namespace flannel {

Result<std::unique_ptr<HttpServer>> HttpServer::open(std::vector<HttpService> services) {
  auto loop = TRY(EpollLoop::open());
  Connections connections;
  for (HttpService& service : services) {
    connections.push_back(TRY(HttpConnections::open(*loop, std::move(service.listener),
                                                    std::move(service.handler), service.limits)));
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(loop), std::move(connections)));
}

HttpServer::HttpServer(std::unique_ptr<EpollLoop> loop, Connections connections)
    : loop_(std::move(loop)), connections_(std::move(connections)) {
  thread_ = std::thread([this] {
    const auto ended = loop_->run();
    if (!ended) log::error("the HTTP server failed", {{"why", ended.error().text}});
  });
}

HttpServer::~HttpServer() {
  stop();
}

void HttpServer::stop() {
  if (!thread_.joinable()) return;
  loop_->poster()->post([this] { loop_->stop(); });
  thread_.join();
  connections_.clear();
}

}  // namespace flannel
