// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "core/registry.h"
#include "loop/loop.h"
#include "registry/endpoint_calls.h"

namespace flannel {

struct ConsulAccess {
  std::shared_ptr<EndpointSession> session;  // the secret is the token
  std::string datacenter;                    // empty: that of the agent
  std::string name_space;                    // of Consul Enterprise; empty: the default one
  // The node of Consul's catalog that the sessions belong to. Empty: the node of the agent; Consul
  // deletes the leases when it removes that node from its catalog.
  std::string node = "flannel";
};

// Opens the network below `prefix` in Consul, whose keys have no slash in front. A TTL longer than
// a day is cut to a day, the longest that Consul grants. `loop` must outlive the registry.
std::unique_ptr<Registry> open_consul_registry(ConsulAccess access, const std::string& prefix,
                                               Loop& loop);

}  // namespace flannel
