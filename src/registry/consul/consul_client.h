// SPDX-License-Identifier: Apache-2.0
// Calls of Consul's HTTP API, and what an answer means. Loop thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "core/registry.h"
#include "http/client.h"
#include "loop/loop.h"
#include "registry/consul/kv_api.h"
#include "registry/endpoint_calls.h"
#include "registry/store_keys.h"

namespace flannel {

// The deadline until an answer begins. Consul waits 7 s for a leader before it answers.
inline constexpr std::chrono::seconds kConsulDeadline{8};

struct ConsulAnswer {
  int status = 0;          // 200, or 404 and 409, which say something about a key
  std::int64_t index = 0;  // X-Consul-Index; 0: the answer has none
  std::string body;
};

// Returns the answer if it is one to the question. ErrorKind::denied: the token is unknown or lacks
// a right; unavailable: there is no leader, or too many requests; invalid: anything else.
Result<ConsulAnswer> read_consul_answer(const HttpHead& head, std::string body);

// Returns the configuration and the records in the list of a prefix.
Result<Snapshot> snapshot_of(const ConsulAnswer& list, const StoreKeys& keys);

class ConsulClient {
 public:
  // The secret of `session` is the token. `scope` has the parameters that every call gets, as name
  // and value; those without a value are left out. `loop` must outlive the client.
  using Scope = std::vector<std::pair<std::string, std::string>>;
  ConsulClient(std::shared_ptr<EndpointSession> session, const Scope& scope, Loop& loop);

  // GET and PUT; `path` has a query or none.
  void get(const std::string& path, Reply<ConsulAnswer> reply);
  void put(const std::string& path, std::string body, Reply<ConsulAnswer> reply);

  // Does all operations or none. ErrorKind::denied: the token lacks the right to one of the keys.
  void transact(const std::vector<KvOperation>& operations, Reply<KvTransaction> reply);
  // Reads the key as the leader has it; nullopt: it is absent. ErrorKind::denied as above.
  void read(const std::string& key, Reply<std::optional<KvEntry>> reply);
  // Checks that the token may read these keys, which may be absent. ErrorKind::denied as above.
  void check_rights(const std::vector<std::string>& keys, Reply<void> reply);

  // Returns a call for a connection of the caller's own.
  HttpCall prepared(const std::string& method, const std::string& path, std::string body) const;
  EndpointCalls& calls() { return calls_; }
  const StoreFailures& failures() const { return calls_.failures(); }

 private:
  void send(HttpCall call, EndpointCalls::Effect effect, Reply<ConsulAnswer> reply);
  void transact(const std::string& path, EndpointCalls::Effect effect,
                const std::vector<KvOperation>& operations, Reply<KvTransaction> reply);

  std::string scope_;  // "&dc=east", or empty
  EndpointCalls calls_;
};

}  // namespace flannel
