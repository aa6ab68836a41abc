// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd3/keep_alive.h"

#include <algorithm>
#include <utility>

#include "registry/etcd3/etcdserver.pb.h"
#include "registry/etcd3/message_bytes.h"

namespace flannel {

namespace pb = etcdserverpb;
using std::chrono::seconds;

void EtcdKeepAlive::keep(std::int64_t lease, Done done) {
  waiting_.push_back({lease, connection_.all_attempts(), std::move(done)});
  // One to an endpoint that has been passed over would cost its deadline.
  if (!stream_ || !stream_->is_current()) return open();
  ask(waiting_.back());
  if (!unanswered_) wait_for_answer(kCallDeadline);
}

void EtcdKeepAlive::open() {
  stream_ = connection_.open_stream(
      "/etcdserverpb.Lease/LeaseKeepAlive",
      {.on_message = [this](const grpc::ByteBuffer& bytes) { on_message(bytes); },
       .on_end = [this](const Error& error) { on_end(error, false); }});
  for (const Waiting& waiting : waiting_)
    ask(waiting);
  // Twice: a token may have to be fetched first, and etcd takes its time over passwords.
  wait_for_answer(2 * kCallDeadline);
}

void EtcdKeepAlive::ask(const Waiting& waiting) {
  pb::LeaseKeepAliveRequest request;
  request.set_id(waiting.lease);
  stream_->send(to_bytes(request));
}

void EtcdKeepAlive::wait_for_answer(std::chrono::milliseconds patience) {
  unanswered_ = loop_.at(loop_.now() + patience, [this] { on_silence(); });
}

void EtcdKeepAlive::on_message(const grpc::ByteBuffer& bytes) {
  pb::LeaseKeepAliveResponse response;
  if (auto parsed = parse_bytes(bytes, response); !parsed) return on_end(parsed.error(), false);
  const auto asked = std::ranges::find(waiting_, response.id(), &Waiting::lease);
  if (asked == waiting_.end()) return;
  const Done done = std::move(asked->done);
  waiting_.erase(asked);
  unanswered_.reset();
  if (!waiting_.empty()) wait_for_answer(kCallDeadline);
  done(seconds(std::max<std::int64_t>(0, response.ttl())));
}

void EtcdKeepAlive::on_silence() {
  stream_->give_up();
  on_end({ErrorKind::unavailable, "no answer in time"}, true);
}

void EtcdKeepAlive::on_end(const Error& error, bool waited) {
  stream_.reset();
  unanswered_.reset();
  // denied: with a token that etcd no longer takes. The next stream fetches another one.
  const bool again = (error.kind == ErrorKind::unavailable || error.kind == ErrorKind::denied) &&
                     connection_.worth_another(waited);
  std::vector<Waiting> failed;
  for (Waiting& waiting : std::exchange(waiting_, {})) {
    --waiting.attempts;
    (again && waiting.attempts > 0 ? waiting_ : failed).push_back(std::move(waiting));
  }
  if (!waiting_.empty()) open();
  for (const std::weak_ptr<int> alive = alive_; const Waiting& waiting : failed) {
    if (alive.expired()) return;
    waiting.done(Failure(Error(error).during("keep the lease alive")));
  }
}

}  // namespace flannel
