// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd3/keep_alive.h"

#include <algorithm>
#include <utility>

#include "registry/etcd3/etcdserver.pb.h"
#include "registry/etcd3/message_bytes.h"

namespace flannel {

namespace pb = etcdserverpb;
using std::chrono::seconds;

// How long a proxy takes to forget a stream. It joins the streams of one lease, so a second stream
// opened earlier would get no answer either.
constexpr seconds kPause{1};

void EtcdKeepAlive::keep(std::int64_t lease, Done done) {
  waiting_.push_back({lease, connection_.all_attempts(), std::move(done)});
  if (opening_.armed()) return;
  // A stream to an endpoint that is no longer current would time out.
  if (!stream_ || !stream_->is_current()) return open();
  ask(waiting_.back());
  if (!unanswered_.armed()) unanswered_.arm_after(kCallDeadline);
}

void EtcdKeepAlive::open() {
  opening_.cancel();
  if (loop_.now() < not_before_) {
    opening_.arm(not_before_);
    return;
  }
  answered_ = false;
  stream_.reset();  // before opening the next one, which may use the same proxy
  stream_ = connection_.open_stream(
      "/etcdserverpb.Lease/LeaseKeepAlive",
      {.on_message = [this](const grpc::ByteBuffer& bytes) { on_message(bytes); },
       .on_end = [this](const Error& error) { on_end(error, false); }});
  for (const Waiting& waiting : waiting_)
    ask(waiting);
  unanswered_.arm_after(kStreamDeadline);
}

void EtcdKeepAlive::close() {
  stream_.reset();
  not_before_ = loop_.now() + kPause;
}

void EtcdKeepAlive::ask(const Waiting& waiting) {
  pb::LeaseKeepAliveRequest request;
  request.set_id(waiting.lease);
  stream_->send(to_bytes(request));
}

void EtcdKeepAlive::on_message(const grpc::ByteBuffer& bytes) {
  pb::LeaseKeepAliveResponse response;
  if (auto parsed = parse_bytes(bytes, response); !parsed) return on_end(parsed.error(), false);
  const auto asked = std::ranges::find(waiting_, response.id(), &Waiting::lease);
  if (asked == waiting_.end()) return;
  const Done done = std::move(asked->done);
  waiting_.erase(asked);
  unanswered_.cancel();
  note_answer();
  if (!waiting_.empty()) {
    unanswered_.arm_after(kCallDeadline);
  } else if (one_answer_endpoints_.contains(stream_->url())) {
    close();
  }
  done(seconds(std::max<std::int64_t>(0, response.ttl())));
}

void EtcdKeepAlive::note_answer() {
  answered_ = true;
  if (replaced_silent_url_ == stream_->url()) one_answer_endpoints_.insert(replaced_silent_url_);
  replaced_silent_url_.clear();
}

// The gRPC proxy of etcd answers the first request for a lease on a stream, but later ones only
// when it renews the lease itself, hours later.
void EtcdKeepAlive::on_silence() {
  if (answered_) {
    replaced_silent_url_ = stream_->url();
    close();
    return open();
  }
  stream_->give_up();
  on_end({ErrorKind::unavailable, "no answer in time"}, true);
}

void EtcdKeepAlive::on_end(const Error& error, bool waited) {
  stream_.reset();
  unanswered_.cancel();
  replaced_silent_url_.clear();
  // denied: etcd no longer accepts the token. The next stream gets another one.
  const bool again = (error.kind == ErrorKind::unavailable || error.kind == ErrorKind::denied) &&
                     connection_.worth_another(waited);
  std::vector<Waiting> failed;
  for (Waiting& waiting : std::exchange(waiting_, {})) {
    --waiting.attempts;
    (again && waiting.attempts > 0 ? waiting_ : failed).push_back(std::move(waiting));
  }
  if (!waiting_.empty()) open();
  for (const LifeToken::Watch life = life_.watch(); const Waiting& waiting : failed) {
    if (life.ended()) return;
    waiting.done(Failure(Error(error).during("keep the lease alive")));
  }
}

}  // namespace flannel
