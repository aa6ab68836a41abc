// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd3/session.h"

#include <grpc/support/log.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "registry/endpoint_urls.h"
#include "registry/etcd3/call_error.h"
#include "registry/etcd3/connection.h"
#include "registry/etcd3/etcdserver.pb.h"
#include "registry/etcd3/message_bytes.h"

namespace flannel {
namespace {

// gRPC aborts the process on any other byte in a header.
bool fits_header(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

Result<std::shared_ptr<EtcdSession>> EtcdSession::open(EtcdAccess access, Loop& loop) {
  // Keeps gRPC from writing to standard error beside our log. Failures are errors of calls anyway,
  // and GRPC_VERBOSITY enables its messages for debugging.
  if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
  TlsMaterial material;
  for (const StoreEndpoint& endpoint : access.endpoints) {
    if (endpoint.at.tls) material = TRY(read_tls_files(access.tls_files));
  }
  return std::shared_ptr<EtcdSession>(
      new EtcdSession(std::move(access), std::move(material), loop));
}

EtcdSession::EtcdSession(EtcdAccess access, TlsMaterial material, Loop& loop)
    : access_(std::move(access)),
      channels_(access_.endpoints, TlsSource(access_.tls_files, std::move(material)),
                access_.resolver, loop),
      gate_(loop),
      completions_(gate_.sender()),
      authenticator_(std::make_unique<EtcdConnection>(*this, loop)) {}

EtcdSession::~EtcdSession() = default;

std::string EtcdSession::urls() const {
  return joined_urls(access_.endpoints, &StoreEndpoint::at);
}

void EtcdSession::with_token(const LoopGate::Sender& sender, Ready ready) {
  if (!has_user() || authentication_off_ || !token_.empty()) return ready({});
  waiting_.push_back({sender, std::move(ready)});
  if (waiting_.size() == 1) authenticate();
}

void EtcdSession::authenticate() {
  access_.password.refresh();
  etcdserverpb::AuthenticateRequest request;
  request.set_name(access_.username);
  request.set_password(access_.password.text);
  authenticator_->call_without_token(
      "/etcdserverpb.Auth/Authenticate", to_bytes(request), kCallDeadline,
      channels_.rotation().all_attempts(),
      [this](const Result<grpc::ByteBuffer>& answer) { on_token(answer); });
}

void EtcdSession::on_token(const Result<grpc::ByteBuffer>& answer) {
  authentication_off_ = !answer && says_authentication_is_off(answer.error());
  Result<void> outcome;
  if (answer) {
    etcdserverpb::AuthenticateResponse response;
    outcome = parse_bytes(*answer, response);
    if (outcome && !fits_header(response.token())) {
      outcome = fail(ErrorKind::unavailable, "etcd gave out a token of unprintable bytes");
    }
    if (outcome) token_ = response.token();
  } else if (!authentication_off_) {
    outcome = Failure(Error(answer.error()).during("authenticate as " + access_.username));
  }
  // Each callback runs in a turn of its own, since it may destroy the connection or this session.
  for (Waiting& waiting : std::exchange(waiting_, {}))
    waiting.sender.post([ready = std::move(waiting.ready), outcome] { ready(outcome); });
}

void EtcdSession::forget_token(const std::string& refused) {
  if (token_ != refused) return;
  token_.clear();
  authentication_off_ = false;
}

const StoreFailures& EtcdSession::failures() const {
  return authenticator_->own_failures();
}

}  // namespace flannel
