// SPDX-License-Identifier: Apache-2.0
#include "registry/store_sessions.h"

#include <utility>

#include "registry/endpoint_session.h"
#include "registry/etcd3/session.h"

namespace flannel {

Result<std::shared_ptr<EtcdSession>> StoreSessions::open_etcd(const std::string& place,
                                                              EtcdAccess access) {
  std::erase_if(etcd_, [](const auto& one) { return one.second.expired(); });
  const auto [begin, end] = etcd_.equal_range(place);
  for (auto one = begin; one != end; ++one) {
    if (one->second.use_count() < kMostOnOne) return one->second.lock();
  }
  auto session = TRY(EtcdSession::open(std::move(access), loop_));
  etcd_.emplace(place, session);
  return session;
}

std::shared_ptr<EndpointSession> StoreSessions::open_http(const std::string& place,
                                                          EndpointAccess access) {
  std::weak_ptr<EndpointSession>& kept = http_[place];
  if (auto session = kept.lock()) return session;
  auto session = std::make_shared<EndpointSession>(std::move(access));
  kept = session;
  return session;
}

}  // namespace flannel
