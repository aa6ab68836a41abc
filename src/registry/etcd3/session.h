// SPDX-License-Identifier: Apache-2.0
// A session with an etcd cluster: the channels to its endpoints, the authentication token, and the
// thread that waits for gRPC. The connections of several networks share one. Loop thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>
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

class EtcdConnection;

struct EtcdAccess {
  std::vector<StoreEndpoint> endpoints;     // at least one
  TlsFiles tls_files;                       // read again for every new connection
  std::string username;                     // empty: no authentication
  Password password;                        // read again for every token
  std::shared_ptr<Resolver> resolver = {};  // null: the session makes one
};

class EtcdSession {
 public:
  using Ready = std::function<void(const Result<void>&)>;

  // Fails if the TLS files are unusable. etcd is reached at the first call. `loop` must outlive the
  // session, and the session all connections that use it.
  static Result<std::shared_ptr<EtcdSession>> open(EtcdAccess access, Loop& loop);
  ~EtcdSession();
  EtcdSession(const EtcdSession&) = delete;
  EtcdSession& operator=(const EtcdSession&) = delete;

  // Returns the URLs of the endpoints, for the log.
  std::string urls() const;
  EtcdChannels& channels() { return channels_; }
  grpc::CompletionQueue& queue() { return completions_.queue(); }

  bool has_user() const { return !access_.username.empty(); }
  // Calls `ready` when there is a token or none is needed: at once, or by `sender`.
  void with_token(const LoopGate::Sender& sender, Ready ready);
  // Empty: there is none, or none is needed.
  const std::string& token() const { return token_; }
  // True if etcd has reported that authentication is not enabled.
  bool authentication_is_off() const { return authentication_off_; }
  // Records that etcd does not accept `refused`, unless there is another token by now.
  void forget_token(const std::string& refused);
  // Returns the failures of authenticating.
  const StoreFailures& failures() const;

 private:
  struct Waiting {
    LoopGate::Sender sender;
    Ready ready;
  };

  EtcdSession(EtcdAccess access, TlsMaterial material, Loop& loop);
  void authenticate();
  void on_token(const Result<grpc::ByteBuffer>& answer);

  EtcdAccess access_;
  EtcdChannels channels_;
  std::string token_;
  bool authentication_off_ = false;
  std::vector<Waiting> waiting_;
  LoopGate gate_;
  CompletionThread completions_;
  std::unique_ptr<EtcdConnection> authenticator_;  // last, since it uses the others
};

}  // namespace flannel
