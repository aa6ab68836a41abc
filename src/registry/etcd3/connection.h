// SPDX-License-Identifier: Apache-2.0
// A connection to etcd of one user of a session: calls and streams, deadlines and failover. It
// handles bytes and method names; calls.h has the types. Loop thread only.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>

#include "base/result.h"
#include "core/registry.h"
#include "loop/loop_gate.h"
#include "registry/endpoint_rotation.h"
#include "registry/etcd3/channels.h"
#include "registry/etcd3/session.h"

namespace flannel {

inline constexpr std::chrono::milliseconds kCallDeadline{5000};
// How long the first answer on a stream may take. It includes fetching a token, because etcd checks
// passwords slowly.
inline constexpr std::chrono::milliseconds kStreamDeadline = 2 * kCallDeadline;

inline constexpr const char* kWatchMethod = "/etcdserverpb.Watch/Watch";

// Gets the messages of a stream, and why it ended. Not called after the stream has been destroyed.
struct StreamListener {
  std::function<void(grpc::ByteBuffer)> on_message;
  std::function<void(Error)> on_end;
};

// A stream of messages in both directions. Destroying it ends the stream; the listener may do so.
class EtcdStream {
 public:
  virtual ~EtcdStream() = default;
  // Messages are sent in the order of the calls. After the end of the stream they are discarded.
  virtual void send(grpc::ByteBuffer message) = 0;
  // Returns the URL of the endpoint; empty before anything has been sent to it.
  virtual const std::string& url() const = 0;
  // True if the endpoint of this stream is still the current one.
  virtual bool is_current() const = 0;
  // Ends the stream because an expected message did not come. It is counted as silence, and the
  // next endpoint becomes current. The listener is not called any more.
  virtual void give_up() = 0;
};

class EtcdConnection {
 public:
  using Bytes = grpc::ByteBuffer;
  using Done = std::function<void(Result<Bytes>)>;

  // Both must outlive the connection.
  EtcdConnection(EtcdSession& session, Loop& loop);
  // Cancels all calls and streams; no callback runs afterwards.
  ~EtcdConnection();
  EtcdConnection(const EtcdConnection&) = delete;
  EtcdConnection& operator=(const EtcdConnection&) = delete;

  // See EndpointRotation.
  std::size_t all_attempts() const { return rotation().all_attempts(); }
  bool worth_another(bool timed_out) const { return rotation().worth_another(timed_out); }

  // Makes a call and passes the answer to `done` in a later turn. There are at most `attempts`
  // attempts, each at the current endpoint and with `deadline`; a failure of kind unavailable makes
  // the next endpoint current. A token that etcd no longer accepts is renewed once.
  void call(std::string method, Bytes request, std::chrono::milliseconds deadline,
            std::size_t attempts, Done done);

  // As call(), before there is a token.
  void call_without_token(std::string method, Bytes request, std::chrono::milliseconds deadline,
                          std::size_t attempts, Done done);

  // Returns the failures so far, with those of authenticating, which concern each connection of the
  // session.
  StoreFailures failures() const;
  const StoreFailures& own_failures() const { return failures_; }
  // For the readers of watches.
  void count_cancelled_watch() { ++failures_.cancelled; }

  // Opens a stream to the current endpoint, with a token if etcd requires one. The stream must not
  // outlive the connection.
  [[nodiscard]] std::unique_ptr<EtcdStream> open_stream(std::string method,
                                                        StreamListener listener);

 private:
  class Attempt;
  class Stream;
  class StreamHandle;
  struct Request {
    std::string method;
    Bytes bytes;
    std::chrono::milliseconds deadline;
    std::size_t attempts;  // left, with the one under way
    Done done;
    bool token_renewed = false;
  };

  const EndpointRotation& rotation() const { return session_.channels().rotation(); }
  void attempt(Request request);
  void attempted(Attempt& attempt);
  // `waited`: the attempt timed out.
  void attempt_failed(Request request, Error error, const EtcdWay& way, bool waited);
  void with_token_attempt(Request request);
  // Adds the token to a call, and returns it.
  std::string add_token(grpc::ClientContext& context) const;
  void count_failure(const grpc::Status& status);

  EtcdSession& session_;
  std::unordered_set<grpc::ClientContext*> active_;
  StoreFailures failures_;
  LoopGate gate_;
};

}  // namespace flannel
