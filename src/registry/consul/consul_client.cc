// SPDX-License-Identifier: Apache-2.0
#include "registry/consul/consul_client.h"

#include <algorithm>
#include <utility>

#include "base/parse.h"
#include "base/printable.h"
#include "core/record_limits.h"
#include "http/target.h"
#include "registry/json_cutter.h"

namespace flannel {
namespace {

// Base64 has four letters for three bytes.
constexpr std::size_t kLongestText = JsonCutter::kLongestText * 4 / 3;

bool is_answer(int status) {
  return (status >= 200 && status < 300) || status == 404 || status == 409;
}

Result<void> check(const HttpHead& head, std::string_view body) {
  if (is_answer(head.status)) return {};
  const std::string text = shortened(std::string(trim(body)));
  const std::string what =
      "HTTP status " + std::to_string(head.status) + (text.empty() ? "" : ": " + text);
  if (head.status == 401 || head.status == 403) return fail(ErrorKind::denied, what);
  if (head.status >= 500 && text.find("Missing node registration") != std::string::npos) {
    return fail(ErrorKind::invalid, what);
  }
  if (head.status >= 500 && text.find("Session TTL") != std::string::npos) {
    return fail(ErrorKind::invalid, what);
  }
  if (head.status >= 500 || head.status == 429) return fail(ErrorKind::unavailable, what);
  return fail(ErrorKind::invalid, what);
}

std::int64_t index_of(const HttpHead& head) {
  const auto text = head.headers.find("x-consul-index");
  if (text == head.headers.end()) return 0;
  const auto index = parse_decimal<std::uint64_t>(text->second);
  return index && *index <= INT64_MAX ? static_cast<std::int64_t>(*index) : 0;
}

}  // namespace

Result<ConsulAnswer> read_consul_answer(const HttpHead& head, std::string body) {
  TRY(check(head, body));
  return ConsulAnswer{head.status, index_of(head), std::move(body)};
}

Result<Snapshot> snapshot_of(const ConsulAnswer& list, const StoreKeys& keys) {
  if (list.index == 0) return fail(ErrorKind::invalid, "the answer has no X-Consul-Index");
  Snapshot all{list.index, {}, {}};
  if (list.status == 404) return all;
  for (KvEntry& entry : TRY(decode_kv_list(list.body))) {
    if (entry.key == keys.config) {
      all.config = ConfigRecord{std::move(entry.value), entry.modified};
    } else if (const auto key = keys.below_subnets(entry.key); key && !key->empty()) {
      all.records.push_back(
          within_limits({std::string(*key), std::move(entry.value), entry.modified,
                         std::move(entry.session), entry.created}));
    }
  }
  std::ranges::sort(all.records, {}, &Record::key);  // limits may have renamed some
  return all;
}

ConsulClient::ConsulClient(std::shared_ptr<EndpointSession> session, const Scope& scope, Loop& loop)
    : calls_(std::move(session),
             {.authorize =
                  [](const std::string& token, HttpAccess&, HttpCall& call) {
                    if (!token.empty()) call.headers["X-Consul-Token"] = token;
                  },
              .check = [](const HttpAnswer& answer) { return check(answer.head, answer.body); },
              .head_deadline = kConsulDeadline},
             loop) {
  for (const auto& [name, value] : scope) {
    if (!value.empty()) scope_ += "&" + name + "=" + percent_encode(value);
  }
}

HttpCall ConsulClient::prepared(const std::string& method, const std::string& path,
                                std::string body) const {
  HttpCall call{.method = method, .path = path, .body = std::move(body), .content_type = {}};
  call.path +=
      path.find('?') == std::string::npos && !scope_.empty() ? "?" + scope_.substr(1) : scope_;
  if (!call.body.empty()) call.content_type = "application/json";
  call.keep = [cutter = JsonCutter(kLongestText)](
                  std::string_view bytes, std::string& into) mutable { cutter.add(bytes, into); };
  return call;
}

void ConsulClient::send(HttpCall call, EndpointCalls::Effect effect, Reply<ConsulAnswer> reply) {
  calls_.call(std::move(call), effect, [reply = std::move(reply)](Result<HttpAnswer> answer) {
    if (!answer) return reply(Failure(std::move(answer.error())));
    reply(read_consul_answer(answer->head, std::move(answer->body)));
  });
}

void ConsulClient::get(const std::string& path, Reply<ConsulAnswer> reply) {
  send(prepared("GET", path, {}), EndpointCalls::Effect::read, std::move(reply));
}

void ConsulClient::put(const std::string& path, std::string body, Reply<ConsulAnswer> reply) {
  send(prepared("PUT", path, std::move(body)), EndpointCalls::Effect::write, std::move(reply));
}

void ConsulClient::transact(const std::string& path, EndpointCalls::Effect effect,
                            const std::vector<KvOperation>& operations,
                            Reply<KvTransaction> reply) {
  send(prepared("PUT", path, encode_transaction(operations)), effect,
       [reply = std::move(reply)](const Result<ConsulAnswer>& answer) {
         if (!answer) return reply(Failure(answer.error()));
         auto done = decode_transaction(answer->body);
         if (done && done->denied) return reply(fail(ErrorKind::denied, done->why_not.front()));
         reply(std::move(done));
       });
}

void ConsulClient::transact(const std::vector<KvOperation>& operations,
                            Reply<KvTransaction> reply) {
  transact("/v1/txn", EndpointCalls::Effect::write, operations, std::move(reply));
}

// Reads by a transaction, which has its keys in the body: Consul 1.21.5 refuses a colon in a path.
// Consul leaves a key that the token may not read out of the results.
void ConsulClient::read(const std::string& key, Reply<std::optional<KvEntry>> reply) {
  transact("/v1/txn?consistent", EndpointCalls::Effect::read, {{KvOperation::Verb::get, key}},
           [this, key, reply = std::move(reply)](Result<KvTransaction> done) {
             if (!done) return reply(Failure(std::move(done.error())));
             if (!done->entries.empty())
               return reply(std::optional(std::move(done->entries.front())));
             check_rights({key}, [reply](const Result<void>& allowed) {
               if (!allowed) return reply(Failure(allowed.error()));
               reply(std::optional<KvEntry>());
             });
           });
}

// Consul refuses check-index without the right to the key; a get of it has an empty result instead.
void ConsulClient::check_rights(const std::vector<std::string>& keys, Reply<void> reply) {
  std::vector<KvOperation> operations;
  for (const std::string& key : keys)
    operations.push_back({KvOperation::Verb::check_index, key});
  transact("/v1/txn?consistent", EndpointCalls::Effect::read, operations,
           [reply = std::move(reply)](Result<KvTransaction> done) {
             if (!done) return reply(Failure(std::move(done.error())));
             reply({});
           });
}

}  // namespace flannel
