// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/backoff.h"
#include "base/log_once.h"
#include "loop/loop.h"
#include "registry/consul/consul_client.h"
#include "registry/consul/consul_registry.h"

namespace flannel {

// The service "flanneld" of this host, with an HTTP health check that Consul's agent makes.
struct ConsulServiceEntry {
  std::string id;          // unique on the agent
  std::uint16_t port = 0;  // of the health pages
  std::string check_url;   // that the agent asks: "http://127.0.0.1:8081/readyz"
};

// Registers the service with the agent and, because an agent may forget its services, again every
// five minutes. A failure is logged once and retried. The registration outlives the process: the
// check of a daemon that has ended is critical.
class ConsulService {
 public:
  // `loop` must outlive the service.
  ConsulService(ConsulAccess access, ConsulServiceEntry entry, Loop& loop);

 private:
  void put();
  void answered(const Result<ConsulAnswer>& answer);

  Loop& loop_;
  const ConsulServiceEntry entry_;
  Backoff pauses_;
  LogOnce refused_;
  bool registered_ = false;
  SubscriptionPtr timer_;
  ConsulClient client_;  // the last member: its callbacks use the others
};

}  // namespace flannel
