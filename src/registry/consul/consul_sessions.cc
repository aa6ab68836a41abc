// SPDX-License-Identifier: Apache-2.0
#include "registry/consul/consul_sessions.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "http/target.h"

namespace flannel {
namespace {

// The longest TTL of a session: structs.SessionTTLMax in Consul.
constexpr std::chrono::seconds kLongestTtl{86400};

}  // namespace

ConsulSessions::ConsulSessions(ConsulClient& client, std::string node)
    : client_(client), node_(std::move(node)) {}

std::chrono::seconds ConsulSessions::granted(std::chrono::seconds ttl) {
  return std::min(ttl, kLongestTtl);
}

// The node has no agent, so only an operator removes it from the catalog. A token that may not
// register the node may still use it.
void ConsulSessions::create(const std::string& name, std::chrono::seconds ttl,
                            Reply<ConsulSession> reply) {
  if (ttl > kLongestTtl && cut_.first_time("ttl")) {
    log::warning("Consul grants a lease at most a day without renewal",
                 {{"wanted_s", ttl.count()}, {"granted_s", kLongestTtl.count()}});
  }
  if (node_.empty()) return create_on_node(name, ttl, false, std::move(reply));
  client_.put("/v1/catalog/register", encode_node(node_),
              [this, name, ttl, reply = std::move(reply)](const Result<ConsulAnswer>& got) {
                if (!got && got.error().kind != ErrorKind::denied) {
                  return reply(Failure(got.error()));
                }
                create_on_node(name, ttl, got.has_value(), reply);
              });
}

void ConsulSessions::create_on_node(const std::string& name, std::chrono::seconds ttl,
                                    bool registered, Reply<ConsulSession> reply) {
  client_.put("/v1/session/create", encode_session(name, node_, granted(ttl)),
              [this, ttl, registered, reply = std::move(reply)](const Result<ConsulAnswer>& got) {
                if (!got && got.error().text.find("Missing node") != std::string::npos) {
                  return reply(Failure(missing_node(registered)));
                }
                if (!got) return reply(Failure(got.error()));
                auto id = decode_session_id(got->body);
                if (!id) return reply(Failure(id.error()));
                reply(ConsulSession{*std::move(id), granted(ttl)});
              });
}

Error ConsulSessions::missing_node(bool registered) const {
  if (registered) {
    return {ErrorKind::unavailable,
            "the node \"" + node_ + "\" was taken out of the catalog just now"};
  }
  return {ErrorKind::denied, "the token may not register the node \"" + node_ +
                                 "\", and nobody else has: give it node:write, or run \"consul\" "
                                 "with a token that has it"};
}

void ConsulSessions::renew(const std::string& id, Reply<std::chrono::seconds> reply) {
  client_.put("/v1/session/renew/" + percent_encode(id), {},
              [reply = std::move(reply)](const Result<ConsulAnswer>& got) {
                if (!got) return reply(Failure(got.error()));
                if (got->status == 404) return reply(fail(ErrorKind::conflict, "it has expired"));
                reply(decode_session_ttl(got->body));
              });
}

void ConsulSessions::list(Reply<std::map<std::string, std::chrono::seconds>> reply) {
  client_.get("/v1/session/list?consistent",
              [reply = std::move(reply)](const Result<ConsulAnswer>& got) {
                if (!got) return reply(Failure(got.error()));
                reply(decode_session_ttls(got->body));
              });
}

void ConsulSessions::destroy(const std::string& id, std::function<void()> done) {
  client_.put("/v1/session/destroy/" + percent_encode(id), {},
              [done = std::move(done)](const Result<ConsulAnswer>&) { done(); });
}

}  // namespace flannel
