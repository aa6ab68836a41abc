// SPDX-License-Identifier: Apache-2.0
#include "registry/endpoint_calls.h"

#include <utility>

namespace flannel {
namespace {

// The number of calls at the same time, each of which has a thread and a connection.
constexpr std::size_t kMostAtOnce = 4;
// The deadline for the rest of an answer that has begun, since a list may be long.
constexpr std::chrono::seconds kBodyDeadline{30};

}  // namespace

EndpointCalls::EndpointCalls(std::shared_ptr<EndpointSession> session, Protocol protocol,
                             Loop& loop)
    : session_(std::move(session)), protocol_(std::move(protocol)), loop_(loop) {}

EndpointCalls::~EndpointCalls() = default;

EndpointCalls::Prepared EndpointCalls::prepare(HttpCall& call) {
  Prepared prepared{session_->access.endpoints[session_->rotation.current()],
                    session_->access.secret.text};
  if (prepared.access.target.tls) prepared.access.tls = session_->access.tls.now();
  protocol_.authorize(prepared.secret, prepared.access, call);
  return prepared;
}

// Another call may have been refused earlier and have read the new secret.
bool EndpointCalls::secret_changed(const std::string& refused) {
  session_->access.secret.refresh();
  return session_->access.secret.text != refused;
}

void EndpointCalls::call(HttpCall call, Effect effect, Done done) {
  waiting_.push_back({std::move(call), effect, session_->rotation.all_attempts(), std::move(done)});
  start_next();
}

void EndpointCalls::move_on(const std::string& url) {
  const std::size_t current = session_->rotation.current();
  if (session_->access.endpoints[current].target.url == url) session_->rotation.move_on(current);
}

void EndpointCalls::count_failure(const Error& error, bool silent) {
  if (silent) {
    ++failures_.silence;
  } else if (error.kind == ErrorKind::denied) {
    ++failures_.denied;
  } else if (error.kind == ErrorKind::unavailable) {
    ++failures_.transport;
  }
}

void EndpointCalls::start_next() {
  if (waiting_.empty() || running_.size() >= kMostAtOnce) return;
  HttpCall call = waiting_.front().call;
  const Prepared prepared = prepare(call);
  const auto running = running_.insert(
      running_.end(),
      {std::move(waiting_.front()), prepared.access.target.url, prepared.secret,
       std::make_unique<HttpConnection>(prepared.access, false, loop_), nullptr, false});
  waiting_.pop_front();
  wait_until(running, protocol_.head_deadline);
  running->connection->send(
      std::move(call),
      {.on_head = [this, running](const HttpHead&) { wait_until(running, kBodyDeadline); },
       .on_end = [this, running](HttpEnd end) { ended(running, std::move(end)); }});
}

void EndpointCalls::wait_until(RunningAt running, std::chrono::seconds patience) {
  running->deadline = loop_.at(loop_.now() + patience, [running] {
    running->silent = true;
    running->connection->cut({ErrorKind::unavailable, running->url + ": no answer in time"});
  });
}

void EndpointCalls::ended(RunningAt running, HttpEnd end) {
  const std::string url = running->url;
  const bool silent = running->silent;
  const std::string secret = std::move(running->secret);
  Pending pending = std::move(running->pending);
  running_.erase(running);
  Result<HttpAnswer> answer = Failure(Error{});
  if (end.body) {
    answer = HttpAnswer{std::move(end.head), *std::move(end.body)};
    if (auto served = protocol_.check(*answer); !served) answer = Failure(served.error());
  } else {
    answer = Failure(end.body.error());
  }
  if (!answer) count_failure(answer.error(), silent);
  if (!answer && answer.error().kind == ErrorKind::denied && secret_changed(secret)) {
    waiting_.push_front(std::move(pending));
    return start_next();
  }
  if (!answer && answer.error().kind == ErrorKind::unavailable) {
    move_on(url);
    const bool again = session_->rotation.worth_another(silent);
    if (--pending.attempts > 0 && again && (pending.effect == Effect::read || !end.sent)) {
      waiting_.push_front(std::move(pending));
      return start_next();
    }
  }
  start_next();
  pending.done(std::move(answer));
}

}  // namespace flannel
