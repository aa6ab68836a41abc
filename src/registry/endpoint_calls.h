// SPDX-License-Identifier: Apache-2.0
// HTTP calls to a store that has several endpoints: their queue and deadlines, the choice of the
// endpoint, and which calls are sent again. The stores differ in the meaning of an answer. Loop
// thread only.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "base/result.h"
#include "core/registry.h"
#include "http/client.h"
#include "loop/loop.h"
#include "registry/endpoint_session.h"

namespace flannel {

struct HttpAnswer {
  HttpHead head;
  std::string body;
};

class EndpointCalls {
 public:
  struct Protocol {
    // Adds the secret to a call, in the form that this store expects.
    std::function<void(const std::string& secret, HttpAccess& access, HttpCall& call)> authorize;
    // Returns an error if the endpoint has not served the call. After ErrorKind::unavailable the
    // call goes to the next endpoint; after ErrorKind::denied to the same one, if the file of the
    // secret has changed.
    std::function<Result<void>(const HttpAnswer& answer)> check;
    std::chrono::seconds head_deadline{5};  // until an answer begins
  };
  using Done = std::function<void(Result<HttpAnswer>)>;

  // `loop` outlives the calls.
  EndpointCalls(std::shared_ptr<EndpointSession> session, Protocol protocol, Loop& loop);
  // Ends the calls under way; no callback runs afterwards.
  ~EndpointCalls();
  EndpointCalls(const EndpointCalls&) = delete;
  EndpointCalls& operator=(const EndpointCalls&) = delete;

  // `done` runs in a later turn. A read may be sent to every endpoint. A write is sent again only
  // if no server can have seen it, because an endpoint that does not answer may have done the
  // write.
  enum class Effect { read, write };
  void call(HttpCall call, Effect effect, Done done);

  const StoreFailures& failures() const { return failures_; }
  void count_failure(const Error& error, bool silent);

  // What the caller needs for a connection of its own to the current endpoint. prepare() adds the
  // secret to `call`.
  struct Prepared {
    HttpAccess access;
    std::string secret;
  };
  Prepared prepare(HttpCall& call);
  // Makes the next endpoint current if `url`, which did not answer, still is.
  void move_on(const std::string& url);

 private:
  struct Pending {
    HttpCall call;
    Effect effect;
    std::size_t attempts;  // left
    Done done;
  };
  struct Running {
    Pending pending;
    std::string url, secret;  // the endpoint and secret with which it was sent
    std::unique_ptr<HttpConnection> connection;
    SubscriptionPtr deadline;
    bool silent = false;  // ended because no answer came
  };
  using RunningAt = std::list<Running>::iterator;

  void start_next();
  void wait_until(RunningAt running, std::chrono::seconds patience);
  // Reads the file of the secret again; true if the secret now differs from `refused`.
  bool secret_changed(const std::string& refused);
  void ended(RunningAt running, HttpEnd end);

  std::shared_ptr<EndpointSession> session_;
  const Protocol protocol_;
  Loop& loop_;
  std::deque<Pending> waiting_;
  std::list<Running> running_;
  StoreFailures failures_;
};

}  // namespace flannel
