// SPDX-License-Identifier: Apache-2.0
// The way to etcd: calls and streams, the token, deadlines. Knows bytes and method names;
// what they mean is in calls.h. Loop thread only.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "core/registry.h"
#include "loop/loop_gate.h"
#include "registry/endpoint.h"
#include "registry/etcd3/channels.h"
#include "registry/etcd3/completion_thread.h"
#include "registry/password.h"
#include "registry/tls_files.h"

namespace flannel {

inline constexpr std::chrono::milliseconds kCallDeadline{5000};
// Of a stream, until the first answer on it: a token may have to be fetched before, and etcd takes
// its time over passwords.
inline constexpr std::chrono::milliseconds kStreamDeadline = 2 * kCallDeadline;

inline constexpr const char* kWatchMethod = "/etcdserverpb.Watch/Watch";

struct EtcdAccess {
  std::vector<EtcdEndpoint> endpoints;      // at least one
  TlsFiles tls_files;                       // read again for every new connection
  std::string username;                     // empty: no authentication
  Password password;                        // read again for every token
  std::shared_ptr<Resolver> resolver = {};  // nothing: one of its own
};

// What was received, and why the stream ended. Nothing is called once the stream is dropped.
struct StreamListener {
  std::function<void(grpc::ByteBuffer)> on_message;
  std::function<void(Error)> on_end;
};

// Messages both ways. Dropping it ends it; the listener may do so.
class EtcdStream {
 public:
  virtual ~EtcdStream() = default;
  // In the order of the calls; after the end, into the void.
  virtual void send(grpc::ByteBuffer message) = 0;
  // Of the endpoint; empty as long as nothing has gone there.
  virtual const std::string& url() const = 0;
  // Calls still go where this stream goes to.
  virtual bool is_current() const = 0;
  // What had to come has not: counts as silence, and the next endpoint becomes current. The
  // listener hears nothing more.
  virtual void give_up() = 0;
};

class EtcdConnection {
 public:
  using Bytes = grpc::ByteBuffer;
  using Done = std::function<void(Result<Bytes>)>;

  // Fails if the TLS files cannot be used. Connects when first used.
  static Result<std::unique_ptr<EtcdConnection>> open(EtcdAccess access, Loop& loop);
  // Cancels what is under way; none of the callbacks runs any more.
  ~EtcdConnection();
  EtcdConnection(const EtcdConnection&) = delete;
  EtcdConnection& operator=(const EtcdConnection&) = delete;

  // So many that every endpoint is asked; two for a single one, whose connection may have broken
  // unnoticed since it was last used.
  std::size_t all_attempts() const { return std::max<std::size_t>(2, channels_.size()); }
  // Whether asking again is of use: the same endpoint once more would only be another wait.
  bool worth_another(bool waited) const { return channels_.size() > 1 || !waited; }

  // `done` in a later turn. Each of at most `attempts` goes to the current endpoint and has
  // `deadline`; a failure of kind unavailable makes the next endpoint current. A token that etcd
  // no longer takes is renewed once on the way.
  void call(std::string method, Bytes request, std::chrono::milliseconds deadline,
            std::size_t attempts, Done done);

  // What went wrong so far; of a watch that etcd cancelled only its reader knows.
  const StoreFailures& failures() const { return failures_; }
  void count_cancelled_watch() { ++failures_.cancelled; }

  // To the current endpoint, with a token if one is needed. Must not outlive the connection.
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

  EtcdConnection(EtcdAccess access, TlsMaterial material, Loop& loop);
  void attempt(Request request);
  void attempted(Attempt& attempt);
  // `waited`: nothing came for about as long as a call may take.
  void attempt_failed(Request request, Error error, const EtcdWay& way, bool waited);
  void with_token_attempt(Request request);
  // Runs `ready` when there is a token or none is needed; maybe at once.
  void with_token(std::function<void(Result<void>)> ready);
  void authenticate();
  void on_token(const Result<Bytes>& answer);
  void add_token(grpc::ClientContext& context) const;
  void forget_token();
  void count_failure(const grpc::Status& status);

  EtcdAccess access_;
  EtcdChannels channels_;
  std::string token_;
  bool authentication_off_ = false;  // etcd said so
  std::vector<std::function<void(Result<void>)>> waiting_for_token_;
  std::unordered_set<grpc::ClientContext*> active_;
  StoreFailures failures_;
  LoopGate gate_;
  CompletionThread completions_;
};

}  // namespace flannel
