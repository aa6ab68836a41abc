// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "docker/docker_pools.h"
#include "docker/ipam_calls.h"
#include "http/message.h"

namespace flannel {

// What is to be known of one pool in other threads.
struct PoolUse {
  std::string network;
  IpPrefix subnet;
  IpAddress gateway;
  std::size_t containers = 0;
  std::uint64_t room = 0;  // for containers

  bool operator==(const PoolUse&) const = default;
};

// The plugin of Docker that gives out the addresses of this host's subnets: its IPAM driver
// "flannel". What was given out is on disk before Docker knows of it. It never waits for the store,
// for Docker or for the daemon's loop.
class IpamPlugin {
 public:
  // `file`: keeps the pools. If it cannot be read, it is renamed and a new one is begun. `host`
  // must outlive the plugin.
  IpamPlugin(std::string file, PoolHost& host);
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
  DockerPools pools_;
  mutable std::mutex mutex_;
  std::vector<PoolUse> published_;  // guarded by mutex_
};

}  // namespace flannel
