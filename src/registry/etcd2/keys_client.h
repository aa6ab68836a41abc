// SPDX-License-Identifier: Apache-2.0
// The way to the keys API of etcd v2: endpoints, deadlines, what an answer means. Loop thread only.
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
#include "registry/password.h"
#include "registry/tls_files.h"

namespace flannel {

// Until an answer begins.
inline constexpr std::chrono::seconds kKeysDeadline{5};

struct KeysCall {
  std::string method;
  std::string path;  // encoded, with the query
  std::string form;  // "value=...&ttl=..."
  // A read may be asked of every endpoint. A write is sent once: whether an endpoint that does
  // not answer has carried it out, nobody knows.
  bool read() const { return method == "GET"; }
};

struct KeysReply {
  int error = 0;           // etcd's code, 0: success
  std::string error_text;  // for people
  std::int64_t index = 0;  // X-Etcd-Index: the store's, at the time of the answer; 0: not told
  std::string cluster;     // X-Etcd-Cluster-Id
  std::string body;
};

// What the head alone tells: index and cluster.
KeysReply head_of_reply(const HttpHead& head);

// What was answered, if it was an answer: success and the errors of the keys API that say something
// about a key. ErrorKind::unavailable: etcd has no leader, or broke; denied; unsupported: there is
// no keys API at this address.
Result<KeysReply> read_keys_reply(const HttpHead& head, std::string body);

struct KeysAccess {
  std::vector<HttpAccess> endpoints;  // at least one; without what is in the next two
  TlsSource tls;                      // read again for every new connection
  Password password;                  // read again whenever etcd refuses it
};

class KeysClient {
 public:
  using Done = std::function<void(Result<KeysReply>)>;

  // `loop` outlives the client.
  KeysClient(KeysAccess access, Loop& loop);
  // Cuts what is under way; no callback runs any more.
  ~KeysClient();
  KeysClient(const KeysClient&) = delete;
  KeysClient& operator=(const KeysClient&) = delete;

  // `done` in a later turn. An endpoint that does not answer makes the next one current.
  void call(KeysCall call, Done done);

  const StoreFailures& failures() const { return failures_; }
  void count_failure(const Error& error, bool silent);

  // For a connection of the caller's own.
  HttpAccess current();
  // The endpoint `url` did not answer.
  void move_on(const std::string& url);

 private:
  struct Pending {
    KeysCall call;
    std::size_t attempts;  // left
    Done done;
  };
  struct Running {
    Pending pending;
    std::string url, password;  // that it was sent to and with
    std::unique_ptr<HttpConnection> connection;
    SubscriptionPtr deadline;
    bool silent = false;  // cut because no answer came
  };
  using RunningAt = std::list<Running>::iterator;

  void start_next();
  void wait_until(RunningAt running, std::chrono::seconds patience);
  // Than `refused`; true if there is one now.
  bool other_password(const std::string& refused);
  void ended(RunningAt running, HttpEnd end);

  KeysAccess access_;
  Loop& loop_;
  std::size_t current_ = 0;
  std::deque<Pending> waiting_;
  std::list<Running> running_;
  StoreFailures failures_;
};

}  // namespace flannel
