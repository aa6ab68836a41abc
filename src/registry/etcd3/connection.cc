// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd3/connection.h"

#include <grpc/support/log.h>
#include <grpc/support/time.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/clock.h"
#include "registry/etcd3/call_error.h"
#include "registry/etcd3/etcdserver.pb.h"
#include "registry/etcd3/message_bytes.h"

namespace flannel {
namespace {

// An attempt that took this long timed out, whatever error gRPC reports: it stops connecting after
// the time that it allows for the answer to a ping.
constexpr std::chrono::milliseconds kLong{2500};

// gRPC aborts the process on any other byte in a header.
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
  void start(EtcdWay to, TimePoint now, grpc::CompletionQueue& queue) {
    way = std::move(to);
    begun = now;
    context.set_deadline(
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                     gpr_time_from_millis(request.deadline.count(), GPR_TIMESPAN)));
    reader_ = grpc::GenericStub(way.channel)
                  .PrepareUnaryCall(&context, request.method, request.bytes, &queue);
    reader_->StartCall();
    reader_->Finish(&answer, &status, this);
  }

  void complete(bool) override { connection_.attempted(*this); }

  Request request;
  EtcdWay way;
  TimePoint begun;
  grpc::ClientContext context;
  Bytes answer;
  grpc::Status status;

 private:
  EtcdConnection& connection_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<Bytes>> reader_;
};

Result<std::unique_ptr<EtcdConnection>> EtcdConnection::open(EtcdAccess access, Loop& loop) {
  // Keeps gRPC from writing to standard error beside our log. Failures are errors of calls anyway,
  // and GRPC_VERBOSITY enables its messages for debugging.
  if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
  TlsMaterial material;
  for (const StoreEndpoint& endpoint : access.endpoints) {
    if (endpoint.at.tls) material = TRY(read_tls_files(access.tls_files));
  }
  return std::unique_ptr<EtcdConnection>(
      new EtcdConnection(std::move(access), std::move(material), loop));
}

EtcdConnection::EtcdConnection(EtcdAccess access, TlsMaterial material, Loop& loop)
    : access_(std::move(access)),
      channels_(access_.endpoints, TlsSource(access_.tls_files, std::move(material)),
                access_.resolver, loop),
      gate_(loop),
      completions_(gate_.sender()) {}

EtcdConnection::~EtcdConnection() {
  for (grpc::ClientContext* context : active_)
    context->TryCancel();
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
  channels_.find(
      [this, kept = std::make_shared<Request>(std::move(request))](const Result<EtcdWay>& way) {
        if (!way) {
          ++failures_.transport;
          return attempt_failed(std::move(*kept), way.error(), {}, true);
        }
        auto* attempt = new Attempt(*this, std::move(*kept));  // owned by gRPC until it is complete
        add_token(attempt->context);
        active_.insert(&attempt->context);
        attempt->start(*way, BootClock::now(), completions_.queue());
      });
}

void EtcdConnection::attempted(Attempt& attempt) {
  active_.erase(&attempt.context);
  Request request = std::move(attempt.request);
  if (attempt.status.ok()) {
    channels_.note_answer(attempt.way.channel);
    return request.done(std::move(attempt.answer));
  }
  count_failure(attempt.status);
  // If authentication has been enabled meanwhile, etcd attributes a call without a token to the
  // user in our client certificate.
  const bool mistaken =
      authentication_off_ && attempt.status.error_code() == grpc::StatusCode::PERMISSION_DENIED;
  if ((wants_authentication(attempt.status) || mistaken) && !access_.username.empty()) {
    forget_token();
    if (!std::exchange(request.token_renewed, true)) return with_token_attempt(std::move(request));
  }
  Error error = to_error(attempt.status);
  if (error.kind != ErrorKind::unavailable || is_of_etcd(attempt.status)) {
    channels_.note_answer(attempt.way.channel);
  }
  const bool waited = BootClock::now() - attempt.begun > kLong;
  if (waited && error.kind == ErrorKind::unavailable) error.text = "no answer in time";
  attempt_failed(std::move(request), std::move(error).during(attempt.way.url), attempt.way, waited);
}

void EtcdConnection::attempt_failed(Request request, Error error, const EtcdWay& way, bool waited) {
  if (error.kind == ErrorKind::unavailable && --request.attempts > 0 && worth_another(waited)) {
    channels_.move_on(way.channel);
    return attempt(std::move(request));
  }
  if (error.kind != ErrorKind::unavailable) return request.done(Failure(std::move(error)));
  const auto finish = [this, channel = way.channel, done = std::move(request.done)](Error why) {
    channels_.move_on(channel);
    done(Failure(std::move(why)));
  };
  if (waited || !way.channel) return finish(std::move(error));
  channels_.explain(way, std::move(error), finish);
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
  // Each callback runs in a turn of its own, since it may destroy this connection.
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
