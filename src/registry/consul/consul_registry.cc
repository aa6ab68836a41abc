// SPDX-License-Identifier: Apache-2.0
#include "registry/consul/consul_registry.h"

#include <optional>
#include <utility>
#include <vector>

#include "registry/consul/consul_client.h"
#include "registry/consul/consul_list.h"
#include "registry/consul/consul_sessions.h"
#include "registry/consul/consul_watch.h"
#include "registry/endpoint_urls.h"
#include "registry/explain_errors.h"
#include "registry/store_keys.h"

namespace flannel {
namespace {

using Verb = KvOperation::Verb;

// A watch that does not begin at the last list: it loses its position, since Consul has no history.
class NoPosition final : public Subscription {
 public:
  NoPosition(Loop& loop, std::function<void()> on_position_lost)
      : timer_(loop.at(loop.now(), std::move(on_position_lost))) {}

 private:
  SubscriptionPtr timer_;
};

class ConsulRegistry final : public Registry {
 public:
  ConsulRegistry(ConsulAccess access, std::string urls, StoreKeys keys, Loop& loop)
      : loop_(loop),
        keys_(std::move(keys)),
        urls_(std::move(urls)),
        client_(std::move(access.session), {{"dc", access.datacenter}, {"ns", access.name_space}},
                loop),
        sessions_(client_, std::move(access.node)) {}

  std::string describe() const override { return "Consul at " + urls_; }
  std::string config_key() const override { return keys_.config; }
  StoreFailures failures() const override { return client_.failures(); }
  bool repeats_history() const override { return false; }

  void snapshot(Reply<Snapshot> reply) override {
    take_consul_list(client_, keys_, last_,
                     [this, answer = naming("read " + keys_.prefix, "read", std::move(reply))](
                         Result<Snapshot> list) {
                       if (list) last_ = *list;
                       answer(std::move(list));
                     });
  }

  // Consul reports the TTL of a session, but not when it was renewed.
  void remaining_lives(std::vector<Record> records, Reply<RemainingLives> reply) override {
    sessions_.list([records = std::move(records), reply = std::move(reply)](const auto& ttls) {
      if (!ttls) return reply(Failure(Error(ttls.error()).during("list the sessions")));
      RemainingLives lives{.left = {}, .exact = false};
      for (const Record& record : records) {
        const auto session = ttls->find(record.expiry_handle);
        if (session != ttls->end()) lives.left[record.key] = session->second;
      }
      reply(std::move(lives));
    });
  }

  WatchHandle watch(Revision from, WatchListener listener) override {
    if (!last_ || last_->revision != from) {
      return std::make_unique<NoPosition>(loop_, std::move(listener.on_position_lost));
    }
    return start_consul_watch(
        client_, loop_, keys_, *last_, [this](const Snapshot& list) { last_ = list; },
        std::move(listener));
  }

  void create_if_absent(std::string key, std::string value, Ttl ttl,
                        Reply<WriteResult> reply) override {
    auto answer = naming("create " + keys_.subnet(key), "write", std::move(reply));
    if (!ttl) {
      return commit({{Verb::cas, keys_.subnet(key), value}}, ErrorKind::exists, {},
                    std::move(answer));
    }
    with_session(
        key, *ttl,
        [this, key, value, answer](const ConsulSession& session) {
          commit({{Verb::cas, keys_.subnet(key), value},
                  {Verb::lock, keys_.subnet(key), value, 0, session.id}},
                 ErrorKind::exists, session,
                 [this, key, session, answer](Result<WriteResult> made) {
                   if (made) return answer(std::move(made));
                   give_up(key, session, made.error(), answer);
                 });
        },
        answer);
  }

  void replace_if_unchanged(Record seen, std::string value, Ttl ttl,
                            Reply<WriteResult> reply) override {
    auto answer = naming("replace " + keys_.subnet(seen.key), "write", std::move(reply));
    verify(seen, [this, value, ttl, answer](Result<KvEntry> found) {
      if (!found) return answer(Failure(std::move(found.error())));
      KvEntry entry = *std::move(found);
      entry.value = value;
      replace(entry, ttl, answer);
    });
  }

  void renew_if_unchanged(Record seen, Ttl ttl, Reply<WriteResult> reply) override {
    auto answer = naming("renew " + keys_.subnet(seen.key), "write", std::move(reply));
    verify(seen, [this, ttl, answer](Result<KvEntry> entry) {
      if (!entry) return answer(Failure(std::move(entry.error())));
      if (entry->session.empty() || !ttl) {
        return answer(WriteResult{entry->modified, entry->session, {}});
      }
      extend(*entry, *ttl, answer);
    });
  }

  // Deletes the key before its session. Destroying the session first would delete the key with
  // whatever another process has written meanwhile.
  void release_if_unchanged(Record seen, Reply<void> reply) override {
    auto answer = naming("release " + keys_.subnet(seen.key), "write", std::move(reply));
    verify(seen, [this, answer](const Result<KvEntry>& entry) {
      if (!entry) return answer(Failure(entry.error()));
      client_.transact({{Verb::check_index, entry->key, {}, entry->modified},
                        {Verb::delete_cas, entry->key, {}, entry->modified}},
                       [this, session = entry->session, answer](const Result<KvTransaction>& done) {
                         if (!done) return answer(Failure(done.error()));
                         if (!done->why_not.empty()) {
                           return answer(fail(ErrorKind::conflict, done->why_not.front()));
                         }
                         if (session.empty()) return answer({});
                         sessions_.destroy(session, [answer] { answer({}); });
                       });
    });
  }

  void write_config(std::string text, Revision seen, Reply<Revision> reply) override {
    commit({{Verb::cas, keys_.config, std::move(text), seen}}, ErrorKind::conflict, {},
           [answer = naming("write " + keys_.config, "write", std::move(reply))](
               const Result<WriteResult>& written) {
             if (!written) return answer(Failure(written.error()));
             answer(written->revision);
           });
  }

  // Consul calls the deletion of a missing key done whatever the index is, so that is checked, too.
  void remove_config(Revision seen, Reply<void> reply) override {
    client_.transact(
        {{Verb::check_index, keys_.config, {}, seen}, {Verb::delete_cas, keys_.config, {}, seen}},
        [answer = naming("delete " + keys_.config, "write", std::move(reply))](
            const Result<KvTransaction>& done) {
          if (!done) return answer(Failure(done.error()));
          if (!done->why_not.empty()) {
            return answer(fail(ErrorKind::conflict, done->why_not.front()));
          }
          answer({});
        });
  }

  void list_networks(Reply<NetworkList> reply) override {
    client_.get(kv_keys_path(keys_.prefix) + "&consistent",
                [this, answer = naming("list the networks below " + keys_.prefix, "read",
                                       std::move(reply))](const Result<ConsulAnswer>& got) {
                  if (!got) return answer(Failure(got.error()));
                  if (got->status == 404) return prove({}, answer);
                  const auto keys = decode_kv_keys(got->body);
                  if (!keys) return answer(Failure(keys.error()));
                  prove(keys_.networks_of(*keys), answer);
                });
  }

 private:
  // Consul leaves out of a list what the token may not read. A token that may read the keys of a
  // network that does not exist may read those of all networks.
  void prove(NetworkList list, const Reply<NetworkList>& answer) {
    client_.check_rights({keys_.prefix + "/-/config"},
                         [list = std::move(list), answer](const Result<void>& allowed) {
                           if (!allowed) return answer(Failure(allowed.error()));
                           answer(list);
                         });
  }

  // Makes errors of `reply` name the operation, and the right that the token lacks.
  template <typename T>
  Reply<T> naming(std::string what, const char* right, Reply<T> reply) const {
    return explain_errors<T>(
        [this, what = std::move(what), right](Error error) {
          if (error.kind == ErrorKind::denied) {
            error.text += "; the token needs a policy with key_prefix \"" + keys_.prefix +
                          "/\" { policy = \"" + right + "\" }";
          }
          return std::move(error).during(what);
        },
        std::move(reply));
  }

  // Does all of `operations` or none. Returns the result of the last one; `session` holds its key.
  void commit(const std::vector<KvOperation>& operations, ErrorKind refused,
              std::optional<ConsulSession> session, Reply<WriteResult> answer) {
    client_.transact(operations, [refused, session = std::move(session),
                                  answer = std::move(answer)](const Result<KvTransaction>& done) {
      if (!done) return answer(Failure(done.error()));
      if (!done->why_not.empty()) return answer(fail(refused, done->why_not.front()));
      if (done->entries.empty()) return answer(fail(ErrorKind::invalid, "an empty answer"));
      WriteResult written{done->entries.back().modified, {}, {}};
      if (session) written = {written.revision, session->id, session->ttl};
      answer(std::move(written));
    });
  }

  // Returns the key as it is now, if it still equals `seen`. ErrorKind::conflict: it does not.
  void verify(const Record& seen, Reply<KvEntry> answer) {
    client_.read(keys_.subnet(seen.key),
                 [seen, answer = std::move(answer)](Result<std::optional<KvEntry>> found) {
                   if (!found) return answer(Failure(std::move(found.error())));
                   if (!*found) return answer(fail(ErrorKind::conflict, "it is gone"));
                   const bool same_value = seen.left_out > 0 || (*found)->value == seen.value;
                   if ((*found)->modified != seen.revision || !same_value) {
                     return answer(fail(ErrorKind::conflict, "changed since it was read"));
                   }
                   answer(**std::move(found));
                 });
  }

  void with_session(const std::string& key, std::chrono::seconds ttl,
                    std::function<void(const ConsulSession&)> then, Reply<WriteResult> answer) {
    sessions_.create(
        "flannel " + key, ttl,
        [then = std::move(then), answer = std::move(answer)](const Result<ConsulSession>& session) {
          if (!session) return answer(Failure(session.error()));
          then(*session);
        });
  }

  // Ends a write with a new session that failed. If its answer was lost, the write may have been
  // done: the key shows that.
  void give_up(const std::string& key, const ConsulSession& session, const Error& why,
               const Reply<WriteResult>& answer) {
    const auto destroy = [this, session, why, answer] {
      sessions_.destroy(session.id, [why, answer] { answer(Failure(why)); });
    };
    if (why.kind != ErrorKind::unavailable) return destroy();
    client_.read(keys_.subnet(key),
                 [session, answer, destroy](const Result<std::optional<KvEntry>>& found) {
                   if (!found || !*found || (*found)->session != session.id) return destroy();
                   answer(WriteResult{(*found)->modified, session.id, session.ttl});
                 });
  }

  // Writes `entry`, which has the new value, and the index and session of the key.
  void replace(const KvEntry& entry, Ttl ttl, const Reply<WriteResult>& answer) {
    const KvOperation write{Verb::cas, entry.key, entry.value, entry.modified};
    const KvOperation unlock{Verb::unlock, entry.key, entry.value, 0, entry.session};
    if (!ttl && entry.session.empty()) return commit({write}, ErrorKind::conflict, {}, answer);
    if (!ttl) return replace_session(entry, {write, unlock}, {}, answer);
    if (!entry.session.empty()) {
      return commit({write}, ErrorKind::conflict, {},
                    [this, entry, ttl, answer](const Result<WriteResult>& written) {
                      if (!written) return answer(Failure(written.error()));
                      KvEntry now = entry;
                      now.modified = written->revision;
                      extend(now, *ttl, answer);
                    });
    }
    exchange_session(entry, {write}, *ttl, answer);
  }

  // Renews the session of `entry`, or replaces it if its TTL is another.
  void extend(const KvEntry& entry, std::chrono::seconds ttl, const Reply<WriteResult>& answer) {
    sessions_.renew(entry.session,
                    [this, entry, ttl, answer](const Result<std::chrono::seconds>& has) {
                      if (has && *has == ConsulSessions::granted(ttl)) {
                        return answer(WriteResult{entry.modified, entry.session, *has});
                      }
                      // A session of an earlier run, which had another TTL.
                      if (!has && has.error().kind != ErrorKind::invalid)
                        return answer(Failure(has.error()));
                      exchange_session(entry,
                                       {{Verb::check_index, entry.key, {}, entry.modified},
                                        {Verb::unlock, entry.key, entry.value, 0, entry.session}},
                                       ttl, answer);
                    });
  }

  // Makes a new session, and does `first` and the lock by that session in one transaction.
  void exchange_session(const KvEntry& entry, std::vector<KvOperation> first,
                        std::chrono::seconds ttl, const Reply<WriteResult>& answer) {
    const std::string name = entry.key.substr(keys_.subnets.size());
    with_session(
        name, ttl,
        [this, entry, first = std::move(first), name,
         answer](const ConsulSession& session) mutable {
          first.push_back({Verb::lock, entry.key, entry.value, 0, session.id});
          replace_session(entry, first, session,
                          [this, name, session, answer](Result<WriteResult> written) {
                            if (written) return answer(std::move(written));
                            give_up(name, session, written.error(), answer);
                          });
        },
        answer);
  }

  // Does `operations`, after which `session` or none holds the key, and destroys the session that
  // the key had.
  void replace_session(const KvEntry& entry, const std::vector<KvOperation>& operations,
                       std::optional<ConsulSession> session, const Reply<WriteResult>& answer) {
    commit(operations, ErrorKind::conflict, std::move(session),
           [this, old = entry.session, answer](Result<WriteResult> written) {
             if (!written || old.empty()) return answer(std::move(written));
             sessions_.destroy(old, [answer, written] { answer(written); });
           });
  }

  Loop& loop_;
  const StoreKeys keys_;
  const std::string urls_;
  std::optional<Snapshot> last_;  // the last list, from which a watch may begin
  ConsulClient client_;           // its callbacks use the others
  ConsulSessions sessions_;
};

// Consul's keys have no slash in front.
StoreKeys keys_below(std::string_view prefix) {
  const auto begin = prefix.find_first_not_of('/');
  return StoreKeys(begin == std::string_view::npos ? std::string_view() : prefix.substr(begin));
}

}  // namespace

std::unique_ptr<Registry> open_consul_registry(ConsulAccess access, const std::string& prefix,
                                               Loop& loop) {
  std::string urls = joined_urls(access.session->access.endpoints, &HttpAccess::target);
  return std::make_unique<ConsulRegistry>(std::move(access), std::move(urls), keys_below(prefix),
                                          loop);
}

}  // namespace flannel
