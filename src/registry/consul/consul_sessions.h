// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>

#include "base/log_once.h"
#include "base/result.h"
#include "core/registry.h"
#include "registry/consul/consul_client.h"

namespace flannel {

// A session of Consul that holds the key of one lease. When it ends, Consul deletes the key.
struct ConsulSession {
  std::string id;
  std::chrono::seconds ttl{};
};

class ConsulSessions {
 public:
  // `node`: see ConsulAccess. `client` must outlive the sessions.
  ConsulSessions(ConsulClient& client, std::string node);

  // `name` is for people who list the sessions.
  void create(const std::string& name, std::chrono::seconds ttl, Reply<ConsulSession> reply);
  // Returns the TTL of the session. ErrorKind::conflict: it has ended.
  void renew(const std::string& id, Reply<std::chrono::seconds> reply);
  // Returns the TTL of every session that the token may read.
  void list(Reply<std::map<std::string, std::chrono::seconds>> reply);
  // Calls `done` also after a failure: a session that is not destroyed expires.
  void destroy(const std::string& id, std::function<void()> done);

  // Returns the TTL that Consul grants for `ttl`.
  static std::chrono::seconds granted(std::chrono::seconds ttl);

 private:
  // `registered`: the node was registered just before.
  void create_on_node(const std::string& name, std::chrono::seconds ttl, bool registered,
                      Reply<ConsulSession> reply);
  Error missing_node(bool registered) const;

  ConsulClient& client_;
  const std::string node_;
  LogOnce cut_;  // that TTLs were too long
};

}  // namespace flannel
