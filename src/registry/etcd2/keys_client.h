// SPDX-License-Identifier: Apache-2.0
// A client for the keys API of etcd v2: endpoints, deadlines, failover and the meaning of answers.
// Loop thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/registry.h"
#include "http/client.h"
#include "loop/loop.h"
#include "registry/endpoint_rotation.h"
#include "registry/password.h"
#include "registry/tls_files.h"

namespace flannel {

// How long a call may take until its answer begins.
inline constexpr std::chrono::seconds kKeysDeadline{5};

struct KeysCall {
  std::string method;
  std::string path;  // encoded, with the query
  std::string form;  // "value=...&ttl=..."
  // A read may be sent to every endpoint. A write is sent only once, since an endpoint that does
  // not answer may have carried it out.
  bool read() const { return method == "GET"; }
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

struct KeysAccess {
  std::vector<HttpAccess> endpoints;  // at least one; without TLS material and password
  TlsSource tls;                      // read again for every new connection
  Password password;                  // read again whenever etcd refuses the password
};

class KeysClient {
 public:
  using Done = std::function<void(Result<KeysReply>)>;

  // `loop` must outlive the client.
  KeysClient(KeysAccess access, Loop& loop);
  // Ends all calls; no callback runs afterwards.
  ~KeysClient();
  KeysClient(const KeysClient&) = delete;
  KeysClient& operator=(const KeysClient&) = delete;

  // Calls `done` in a later turn. If an endpoint does not answer, the next one becomes current.
  void call(KeysCall call, Done done);

  const StoreFailures& failures() const { return failures_; }
  void count_failure(const Error& error, bool silent);

  // Returns access to the current endpoint, for a connection of the caller.
  HttpAccess current();
  // Makes the next endpoint current if `url`, which did not answer, still is.
  void move_on(const std::string& url);

 private:
  struct Pending {
    KeysCall call;
    std::size_t attempts;  // left
    Done done;
  };
  struct Running {
    Pending pending;
    std::string url, password;  // the endpoint and password with which it was sent
    std::unique_ptr<HttpConnection> connection;
    SubscriptionPtr deadline;
    bool silent = false;  // ended because no answer came
  };
  using RunningAt = std::list<Running>::iterator;

  void start_next();
  void wait_until(RunningAt running, std::chrono::seconds patience);
  // Reads the password file again; true if the password now differs from `refused`.
  bool other_password(const std::string& refused);
  void ended(RunningAt running, HttpEnd end);

  KeysAccess access_;
  Loop& loop_;
  EndpointRotation rotation_;
  std::deque<Pending> waiting_;
  std::list<Running> running_;
  StoreFailures failures_;
};

}  // namespace flannel
