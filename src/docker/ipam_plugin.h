// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/pool_use.h"
#include "docker/docker_pools.h"
#include "docker/ipam_calls.h"
#include "http/message.h"

namespace flannel {

// The plugin of Docker that gives out the addresses of this host's subnets: its IPAM driver
// "flannel". What was given out is on disk before Docker knows of it. It never waits for the store,
// for Docker or for the daemon's loop.
class IpamPlugin {
 public:
  // `file`: keeps the pools. If it cannot be read, it is renamed and a new one is begun. `host`
  // must outlive the plugin. `on_change`: pools() is another; called on the thread of the handler.
  IpamPlugin(std::string file, PoolHost& host, std::function<void()> on_change = {});
  IpamPlugin(const IpamPlugin&) = delete;
  IpamPlugin& operator=(const IpamPlugin&) = delete;

  // The handler of the plugin's socket; its calls come on one thread. It must not be called after
  // the end of this object.
  HttpHandler handler();
  // The pools as they are now. Thread-safe.
  std::vector<PoolUse> pools() const;

 private:
  HttpResponse answer(const HttpRequest& request);
  Result<HttpResponse> answer_call(const ipam::Call& call);
  Result<HttpResponse> answer_plain(ipam::Plain call, DockerPools& pools);
  Failure no_driver();
  Result<void> keep(DockerPools next);
  void publish();

  std::string file_;
  PoolHost& host_;
  std::function<void()> on_change_;  // may be empty
  DockerPools pools_;
  mutable std::mutex mutex_;
  std::vector<PoolUse> published_;  // guarded by mutex_
};

}  // namespace flannel
