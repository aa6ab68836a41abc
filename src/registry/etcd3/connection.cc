// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd3/connection.h"

#include <grpc/support/time.h>

#include <utility>

#include "base/clock.h"
#include "registry/etcd3/call_error.h"

namespace flannel {
namespace {

// An attempt that took this long timed out, whatever error gRPC reports: it stops connecting after
// the time that it allows for the answer to a ping.
constexpr std::chrono::milliseconds kLong{2500};

}  // namespace

// One unary call to one endpoint.
class EtcdConnection::Attempt final : public Completion {
 public:
  Attempt(EtcdConnection& connection, Request what)
      : Completion(connection.gate_.sender()), request(std::move(what)), connection_(connection) {}

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
  std::string token;  // with which it was sent
  TimePoint begun;
  grpc::ClientContext context;
  Bytes answer;
  grpc::Status status;

 private:
  EtcdConnection& connection_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<Bytes>> reader_;
};

EtcdConnection::EtcdConnection(EtcdSession& session, Loop& loop) : session_(session), gate_(loop) {}

EtcdConnection::~EtcdConnection() {
  for (grpc::ClientContext* context : active_)
    context->TryCancel();
}

void EtcdConnection::call(std::string method, Bytes bytes, std::chrono::milliseconds deadline,
                          std::size_t attempts, Done done) {
  with_token_attempt({std::move(method), std::move(bytes), deadline, attempts, std::move(done)});
}

void EtcdConnection::call_without_token(std::string method, Bytes bytes,
                                        std::chrono::milliseconds deadline, std::size_t attempts,
                                        Done done) {
  attempt({.method = std::move(method),
           .bytes = std::move(bytes),
           .deadline = deadline,
           .attempts = attempts,
           .done = std::move(done),
           .token_renewed = true});
}

void EtcdConnection::with_token_attempt(Request request) {
  session_.with_token(gate_.sender(), [this, kept = std::make_shared<Request>(std::move(request))](
                                          const Result<void>& ready) {
    if (ready) return attempt(std::move(*kept));
    kept->done(Failure(ready.error()));
  });
}

void EtcdConnection::attempt(Request request) {
  session_.channels().find(
      gate_.sender(),
      [this, kept = std::make_shared<Request>(std::move(request))](const Result<EtcdWay>& way) {
        if (!way) {
          ++failures_.transport;
          return attempt_failed(std::move(*kept), way.error(), {}, true);
        }
        auto* attempt = new Attempt(*this, std::move(*kept));  // owned by gRPC until it is complete
        attempt->token = add_token(attempt->context);
        active_.insert(&attempt->context);
        attempt->start(*way, BootClock::now(), session_.queue());
      });
}

void EtcdConnection::attempted(Attempt& attempt) {
  active_.erase(&attempt.context);
  Request request = std::move(attempt.request);
  if (attempt.status.ok()) {
    session_.channels().note_answer(attempt.way.channel);
    return request.done(std::move(attempt.answer));
  }
  count_failure(attempt.status);
  // If authentication has been enabled meanwhile, etcd attributes a call without a token to the
  // user in our client certificate.
  const bool mistaken = session_.authentication_is_off() &&
                        attempt.status.error_code() == grpc::StatusCode::PERMISSION_DENIED;
  if ((wants_authentication(attempt.status) || mistaken) && session_.has_user()) {
    session_.forget_token(attempt.token);
    if (!std::exchange(request.token_renewed, true)) return with_token_attempt(std::move(request));
  }
  Error error = to_error(attempt.status);
  if (error.kind != ErrorKind::unavailable || is_of_etcd(attempt.status)) {
    session_.channels().note_answer(attempt.way.channel);
  }
  const bool waited = BootClock::now() - attempt.begun > kLong;
  if (waited && error.kind == ErrorKind::unavailable) error.text = "no answer in time";
  attempt_failed(std::move(request), std::move(error).during(attempt.way.url), attempt.way, waited);
}

void EtcdConnection::attempt_failed(Request request, Error error, const EtcdWay& way, bool waited) {
  if (error.kind == ErrorKind::unavailable && --request.attempts > 0 && worth_another(waited)) {
    session_.channels().move_on(way.channel);
    return attempt(std::move(request));
  }
  if (error.kind != ErrorKind::unavailable) return request.done(Failure(std::move(error)));
  const auto finish = [this, channel = way.channel, done = std::move(request.done)](Error why) {
    session_.channels().move_on(channel);
    done(Failure(std::move(why)));
  };
  if (waited || !way.channel) return finish(std::move(error));
  session_.channels().explain(way, std::move(error), gate_.sender(), finish);
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

StoreFailures EtcdConnection::failures() const {
  StoreFailures all = failures_;
  const StoreFailures& shared = session_.failures();
  all.transport += shared.transport;
  all.silence += shared.silence;
  all.denied += shared.denied;
  return all;
}

std::string EtcdConnection::add_token(grpc::ClientContext& context) const {
  const std::string& token = session_.token();
  if (!token.empty()) context.AddMetadata("token", token);
  return token;
}

}  // namespace flannel
