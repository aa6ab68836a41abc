// SPDX-License-Identifier: Apache-2.0
// Calls of the keys API of etcd v2, and what an answer means. Loop thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "core/registry.h"
#include "http/client.h"
#include "loop/loop.h"
#include "registry/endpoint_calls.h"

namespace flannel {

// How long a call may take until its answer begins.
inline constexpr std::chrono::seconds kKeysDeadline{5};

struct KeysCall {
  std::string method;
  std::string path;  // encoded, with the query
  std::string form;  // "value=...&ttl=..."
};

struct KeysReply {
  int error = 0;           // etcd's code, 0: success
  std::string error_text;  // for people
  std::int64_t index = 0;  // X-Etcd-Index: of the store at the time of the answer; 0: unknown
  std::string cluster;     // X-Etcd-Cluster-Id
  std::string body;
};

// Returns the members that the head alone determines: index and cluster.
KeysReply head_of_reply(const HttpHead& head);

// Returns the answer if it is a success or an error of the keys API about a key.
// ErrorKind::unavailable: etcd has no leader or failed; denied: wrong credentials or no permission;
// unsupported: there is no keys API at this address.
Result<KeysReply> read_keys_reply(const HttpHead& head, std::string body);

class KeysClient {
 public:
  using Done = std::function<void(Result<KeysReply>)>;

  // The secret of `session` is the password. `loop` must outlive the client.
  KeysClient(std::shared_ptr<EndpointSession> session, Loop& loop);

  // Calls `done` in a later turn. If an endpoint does not answer, the next one becomes current.
  void call(KeysCall call, Done done);

  const StoreFailures& failures() const { return calls_.failures(); }
  // For a connection of the caller.
  EndpointCalls& calls() { return calls_; }

 private:
  EndpointCalls calls_;
};

}  // namespace flannel
