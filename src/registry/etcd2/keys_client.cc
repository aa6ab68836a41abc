// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd2/keys_client.h"

#include <utility>

#include "base/parse.h"
#include "registry/etcd2/json_cutter.h"
#include "registry/etcd2/keys_api.h"

namespace flannel {
namespace {

// The number of calls at the same time, each of which has a thread and a connection.
constexpr std::size_t kMostAtOnce = 4;
// The deadline for the rest of an answer that has begun, since a list may be long.
constexpr std::chrono::seconds kKeysBodyDeadline{30};

std::int64_t index_of(const HttpHead& head) {
  const auto text = head.headers.find("x-etcd-index");
  if (text == head.headers.end()) return 0;
  const auto index = parse_decimal<std::uint64_t>(text->second);
  return index && *index <= INT64_MAX ? static_cast<std::int64_t>(*index) : 0;
}

std::string cluster_of(const HttpHead& head) {
  const auto id = head.headers.find("x-etcd-cluster-id");
  return id == head.headers.end() ? std::string() : id->second;
}

// Describes an HTTP error, which comes from a proxy or another server and not from etcd.
std::string in_words(int status) {
  const std::string text = "HTTP status " + std::to_string(status);
  if (status == 501) {
    return text +
           ": a proxy that only reads (etcd --proxy readonly); give --etcd-endpoints one "
           "that writes";
  }
  if (status == 502 || status == 503 || status == 504) {
    return text + ": a proxy is there, but no etcd behind it";
  }
  return text;
}

HttpCall http_call(const KeysCall& call) {
  return {.method = call.method,
          .path = call.path,
          .body = call.form,
          .content_type = call.form.empty() ? "" : "application/x-www-form-urlencoded",
          .keep = [cutter = JsonCutter()](std::string_view bytes, std::string& body) mutable {
            cutter.add(bytes, body);
          }};
}

}  // namespace

KeysReply head_of_reply(const HttpHead& head) {
  return {.error_text = {}, .index = index_of(head), .cluster = cluster_of(head), .body = {}};
}

Result<KeysReply> read_keys_reply(const HttpHead& head, std::string body) {
  KeysReply reply = head_of_reply(head);
  reply.body = std::move(body);
  if (head.status >= 200 && head.status < 300) return reply;
  const auto answer = decode_keys_error(reply.body);
  if (head.status == 401 || head.status == 403) {
    return fail(ErrorKind::denied, answer ? answer->text : "etcd wants a user and a password");
  }
  if (!answer && head.status == 404) {
    return fail(ErrorKind::unsupported,
                "there is no v2 API here: etcd 3.4 and 3.5 need --enable-v2, later ones have none");
  }
  if (!answer) return fail(ErrorKind::unavailable, in_words(head.status));
  // 3xx: raft, 4xx other than the cleared index: etcd itself.
  if (answer->code >= 300 && answer->code != keys_error::kIndexCleared) {
    return fail(ErrorKind::unavailable, answer->text);
  }
  reply.error = answer->code;
  reply.error_text = answer->text;
  return reply;
}

KeysClient::KeysClient(KeysAccess access, Loop& loop)
    : access_(std::move(access)), loop_(loop), rotation_(access_.endpoints.size()) {}

HttpAccess KeysClient::current() {
  HttpAccess access = access_.endpoints[rotation_.current()];
  access.password = access_.password.text;
  if (access.target.tls) access.tls = access_.tls.now();
  return access;
}

KeysClient::~KeysClient() = default;

// Another call may have been refused earlier and have read the new password.
bool KeysClient::other_password(const std::string& refused) {
  access_.password.refresh();
  return access_.password.text != refused;
}

void KeysClient::call(KeysCall call, Done done) {
  waiting_.push_back({std::move(call), rotation_.all_attempts(), std::move(done)});
  start_next();
}

void KeysClient::move_on(const std::string& url) {
  const std::size_t current = rotation_.current();
  if (access_.endpoints[current].target.url == url) rotation_.move_on(current);
}

void KeysClient::count_failure(const Error& error, bool silent) {
  if (silent) {
    ++failures_.silence;
  } else if (error.kind == ErrorKind::denied) {
    ++failures_.denied;
  } else if (error.kind == ErrorKind::unavailable) {
    ++failures_.transport;
  }
}

void KeysClient::start_next() {
  if (waiting_.empty() || running_.size() >= kMostAtOnce) return;
  HttpAccess access = current();
  const auto running = running_.insert(
      running_.end(), {std::move(waiting_.front()), access.target.url, access.password,
                       std::make_unique<HttpConnection>(access, false, loop_), nullptr, false});
  waiting_.pop_front();
  wait_until(running, kKeysDeadline);
  running->connection->send(
      http_call(running->pending.call),
      {.on_head = [this, running](const HttpHead&) { wait_until(running, kKeysBodyDeadline); },
       .on_end = [this, running](HttpEnd end) { ended(running, std::move(end)); }});
}

void KeysClient::wait_until(RunningAt running, std::chrono::seconds patience) {
  running->deadline = loop_.at(loop_.now() + patience, [running] {
    running->silent = true;
    running->connection->cut({ErrorKind::unavailable, running->url + ": no answer in time"});
  });
}

void KeysClient::ended(RunningAt running, HttpEnd end) {
  const std::string url = running->url;
  const bool silent = running->silent;
  const std::string password = std::move(running->password);
  Pending pending = std::move(running->pending);
  running_.erase(running);
  Result<KeysReply> reply = end.body ? read_keys_reply(end.head, *std::move(end.body))
                                     : Result<KeysReply>(Failure(end.body.error()));
  if (!reply) count_failure(reply.error(), silent);
  if (!reply && reply.error().kind == ErrorKind::denied && other_password(password)) {
    waiting_.push_front(std::move(pending));
    return start_next();
  }
  if (!reply && reply.error().kind == ErrorKind::unavailable) {
    move_on(url);
    const bool again = rotation_.worth_another(silent);
    if (--pending.attempts > 0 && again && (pending.call.read() || !end.sent)) {
      waiting_.push_front(std::move(pending));
      return start_next();
    }
  }
  start_next();
  pending.done(std::move(reply));
}

}  // namespace flannel
