// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd2/keys_client.h"

#include <utility>

#include "base/parse.h"
#include "registry/etcd2/keys_api.h"
#include "registry/json_cutter.h"

namespace flannel {
namespace {

bool is_success(int status) {
  return status >= 200 && status < 300;
}

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
  if (is_success(head.status)) return reply;
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

KeysClient::KeysClient(std::shared_ptr<EndpointSession> session, Loop& loop)
    : calls_(std::move(session),
             {.authorize = [](const std::string& password, HttpAccess& to,
                              HttpCall&) { to.password = password; },
              .check = [](const HttpAnswer& answer) -> Result<void> {
                if (is_success(answer.head.status)) return {};  // the body may be long
                TRY(read_keys_reply(answer.head, answer.body));
                return {};
              },
              .head_deadline = kKeysDeadline},
             loop) {}

void KeysClient::call(KeysCall call, Done done) {
  using Effect = EndpointCalls::Effect;
  const Effect effect = call.method == "GET" ? Effect::read : Effect::write;
  calls_.call(http_call(call), effect, [done = std::move(done)](Result<HttpAnswer> answer) {
    if (!answer) return done(Failure(std::move(answer.error())));
    done(read_keys_reply(answer->head, std::move(answer->body)));
  });
}

}  // namespace flannel
