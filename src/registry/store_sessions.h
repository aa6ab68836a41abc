// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "loop/loop.h"

namespace flannel {

class EtcdSession;
struct EndpointAccess;
struct EndpointSession;
struct EtcdAccess;

// What the registries of one process share: for each store that is reached over the network, which
// endpoint is current, and the credentials; with etcd v3 also the connection itself. Loop thread
// only.
class StoreSessions {
 public:
  // `loop` must outlive all sessions.
  explicit StoreSessions(Loop& loop) : loop_(loop) {}

  // So many registries share a connection to etcd. Each has two or three streams on it, and servers
  // and proxies limit these: etcd before 3.5.5 with TLS to 250, others to 100.
  static constexpr long kMostOnOne = 20;

  // Each returns a session that was opened for `place` before and is still in use, or a new one.
  // `place` names the endpoints and the credentials: equal ones have equal accesses.
  Result<std::shared_ptr<EtcdSession>> open_etcd(const std::string& place, EtcdAccess access);
  std::shared_ptr<EndpointSession> open_http(const std::string& place, EndpointAccess access);

 private:
  Loop& loop_;
  std::multimap<std::string, std::weak_ptr<EtcdSession>> etcd_;
  std::map<std::string, std::weak_ptr<EndpointSession>> http_;
};

}  // namespace flannel
