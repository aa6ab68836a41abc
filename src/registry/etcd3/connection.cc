// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd3/connection.h"

#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <cstdlib>
#include <utility>

#include "base/log.h"
#include "registry/etcd3/call_error.h"
#include "registry/etcd3/etcdserver.pb.h"
#include "registry/etcd3/message_bytes.h"

namespace flannel {
namespace {

grpc::ChannelArguments channel_arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);  // the default, 4 MB, is some 15,000 leases
  // Without pings a frozen etcd is noticed only by TCP, after minutes. etcd itself hangs up on
  // clients that ping more often than every 5 s.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 6000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 3000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);  // how long one connect may take
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  // A channel that failed is thrown away; the next one must not inherit its back-off.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // etcd's own client goes past the proxy of the environment, and so have flannel's users.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  return arguments;
}

std::shared_ptr<grpc::ChannelCredentials> credentials(bool tls, const TlsMaterial& material) {
  if (!tls) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = material.ca;  // empty: the roots of the system
  options.pem_private_key = material.key;
  options.pem_cert_chain = material.cert;
  return grpc::SslCredentials(options);
}

// Of anything else in a header gRPC makes an end of the program.
bool fits_header(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

// One unary call to one endpoint.
class EtcdConnection::Attempt final : public Completion {
 public:
  Attempt(EtcdConnection& connection, Request what)
      : request(std::move(what)), connection_(connection) {}

  // From here on gRPC owns the attempt.
  void start(std::shared_ptr<grpc::Channel> through, std::string to, grpc::CompletionQueue& queue) {
    used = std::move(through);
    url = std::move(to);
    context.set_deadline(
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                     gpr_time_from_millis(request.deadline.count(), GPR_TIMESPAN)));
    reader_ =
        grpc::GenericStub(used).PrepareUnaryCall(&context, request.method, request.bytes, &queue);
    reader_->StartCall();
    reader_->Finish(&answer, &status, this);
  }

  void complete(bool) override { connection_.attempted(*this); }

  Request request;
  std::shared_ptr<grpc::Channel> used;
  std::string url;
  grpc::ClientContext context;
  Bytes answer;
  grpc::Status status;

 private:
  EtcdConnection& connection_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<Bytes>> reader_;
};

Result<std::unique_ptr<EtcdConnection>> EtcdConnection::open(EtcdAccess access, Loop& loop) {
  // gRPC writes to standard error by itself, past our log. What goes wrong comes back as an error
  // of a call; who debugs gRPC sets its own variable.
  if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
  TlsMaterial material;
  for (const EtcdEndpoint& endpoint : access.endpoints) {
    if (endpoint.tls) material = TRY(read_tls_files(access.tls_files));
  }
  return std::unique_ptr<EtcdConnection>(
      new EtcdConnection(std::move(access), std::move(material), loop));
}

EtcdConnection::EtcdConnection(EtcdAccess access, TlsMaterial material, Loop& loop)
    : access_(std::move(access)),
      material_(std::move(material)),
      gate_(loop),
      completions_(gate_.sender()) {
  for (const EtcdEndpoint& endpoint : access_.endpoints)
    endpoints_.push_back({endpoint, nullptr});
}

EtcdConnection::~EtcdConnection() {
  for (grpc::ClientContext* context : active_)
    context->TryCancel();
}

std::shared_ptr<grpc::Channel> EtcdConnection::channel() {
  Endpoint& endpoint = endpoints_[current_];
  if (!endpoint.channel) {
    if (endpoint.at.tls) read_tls_again();
    endpoint.channel = grpc::CreateCustomChannel(
        endpoint.at.target, credentials(endpoint.at.tls, material_), channel_arguments());
  }
  return endpoint.channel;
}

// Certificates are renewed under a running daemon; half-written ones are tried next time.
void EtcdConnection::read_tls_again() {
  auto fresh = read_tls_files(access_.tls_files);
  if (fresh) {
    material_ = *std::move(fresh);
    return unreadable_tls_.clear();
  }
  if (!unreadable_tls_.is_news(fresh.error().text)) return;
  log::warning("connecting with the TLS files as they were read before",
               {{"why", fresh.error().text}});
}

void EtcdConnection::move_on(const std::shared_ptr<grpc::Channel>& used) {
  for (std::size_t i = 0; i < endpoints_.size(); ++i) {
    if (endpoints_[i].channel != used) continue;
    endpoints_[i].channel.reset();
    if (i == current_) current_ = (i + 1) % endpoints_.size();
  }
}

void EtcdConnection::call(std::string method, Bytes bytes, std::chrono::milliseconds deadline,
                          std::size_t attempts, Done done) {
  with_token_attempt({std::move(method), std::move(bytes), deadline, attempts, std::move(done)});
}

void EtcdConnection::with_token_attempt(Request request) {
  with_token(
      [this, kept = std::make_shared<Request>(std::move(request))](const Result<void>& ready) {
        if (ready) return attempt(std::move(*kept));
        kept->done(Failure(ready.error()));
      });
}

void EtcdConnection::attempt(Request request) {
  auto* attempt = new Attempt(*this, std::move(request));  // gRPC's until it is complete
  add_token(attempt->context);
  active_.insert(&attempt->context);
  attempt->start(channel(), endpoints_[current_].at.url, completions_.queue());
}

void EtcdConnection::attempted(Attempt& attempt) {
  active_.erase(&attempt.context);
  Request request = std::move(attempt.request);
  if (attempt.status.ok()) return request.done(std::move(attempt.answer));
  count_failure(attempt.status);
  // Where authentication has been switched on meanwhile, a call without a token is taken for one of
  // the user that the client's certificate names.
  const bool mistaken =
      authentication_off_ && attempt.status.error_code() == grpc::StatusCode::PERMISSION_DENIED;
  if ((wants_authentication(attempt.status) || mistaken) && !access_.username.empty()) {
    forget_token();
    if (!std::exchange(request.token_renewed, true)) return with_token_attempt(std::move(request));
  }
  Error error = to_error(attempt.status);
  if (error.kind == ErrorKind::unavailable) {
    move_on(attempt.used);
    const bool waited = attempt.status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
    if (--request.attempts > 0 && worth_another(waited)) {
      return this->attempt(std::move(request));
    }
  }
  request.done(Failure(std::move(error).during(attempt.url)));
}

void EtcdConnection::count_failure(const grpc::Status& status) {
  const ErrorKind kind = to_error(status).kind;
  if (kind == ErrorKind::denied || wants_authentication(status)) {
    ++failures_.denied;
  } else if (is_silence(status)) {
    ++failures_.silence;
  } else if (kind == ErrorKind::unavailable) {
    ++failures_.transport;
  }
}

void EtcdConnection::with_token(std::function<void(Result<void>)> ready) {
  if (access_.username.empty() || authentication_off_ || !token_.empty()) return ready({});
  waiting_for_token_.push_back(std::move(ready));
  if (waiting_for_token_.size() == 1) authenticate();
}

void EtcdConnection::authenticate() {
  access_.password.refresh();
  etcdserverpb::AuthenticateRequest request;
  request.set_name(access_.username);
  request.set_password(access_.password.text);
  attempt({.method = "/etcdserverpb.Auth/Authenticate",
           .bytes = to_bytes(request),
           .deadline = kCallDeadline,
           .attempts = all_attempts(),
           .done = [this](const Result<Bytes>& answer) { on_token(answer); },
           .token_renewed = true});
}

void EtcdConnection::on_token(const Result<Bytes>& answer) {
  authentication_off_ = !answer && authentication_is_off(answer.error());
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
  // Each in a turn of its own: the answer to one caller may end this connection.
  for (auto& ready : std::exchange(waiting_for_token_, {})) {
    gate_.sender().post([ready = std::move(ready), outcome] { ready(outcome); });
  }
}

void EtcdConnection::add_token(grpc::ClientContext& context) const {
  if (!token_.empty()) context.AddMetadata("token", token_);
}

void EtcdConnection::forget_token() {
  token_.clear();
  authentication_off_ = false;
}

}  // namespace flannel
