// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd2/etcd2_registry.h"

#include <unordered_map>
#include <utility>

#include "http/target.h"
#include "registry/endpoint_urls.h"
#include "registry/etcd2/etcd2_watch.h"
#include "registry/etcd2/keys_api.h"
#include "registry/etcd2/keys_client.h"
#include "registry/etcd2/keys_events.h"
#include "registry/explain_errors.h"

namespace flannel {
namespace {

// The shortest TTL of etcd v2.
constexpr std::chrono::seconds kShortestTtl{1};

std::string ttl_field(Ttl ttl) {
  return ttl ? "&ttl=" + std::to_string(ttl->count()) : std::string();
}

// Makes errors of `reply` say what was being done, and how to grant a missing right.
template <typename T>
Reply<T> naming(std::string what, std::string right, Reply<T> reply) {
  return explain_errors<T>(
      [what = std::move(what), right = std::move(right)](Error error) {
        if (error.kind == ErrorKind::denied) {
          error.text += "; are user and password right? Their role needs \"" + right + "\"";
        }
        return std::move(error).during(what);
      },
      std::move(reply));
}

std::string right_to(const char* right, const std::string& path) {
  return "etcdctl role grant ROLE -path '" + path + "' -" + right;
}

// Returns the node of a successful answer. `refused` is the kind of an error of etcd about the key.
Result<KeysNode> node_of(const Result<KeysReply>& reply, ErrorKind refused) {
  if (!reply) return Failure(reply.error());
  if (reply->error == keys_error::kNotFound) return fail(refused, "it is gone");
  if (reply->error != 0) return fail(refused, reply->error_text);
  return TRY(decode_keys_answer(reply->body)).node;
}

class Etcd2Registry final : public Registry {
 public:
  Etcd2Registry(std::shared_ptr<EndpointSession> session, std::string urls,
                const std::string& prefix, Loop& loop)
      : loop_(loop),
        keys_(keys_below(prefix)),
        urls_(std::move(urls)),
        client_(std::move(session), loop) {}

  std::string describe() const override { return "etcd v2 at " + urls_; }
  std::string config_key() const override { return keys_.config; }

  StoreFailures failures() const override { return client_.failures(); }

  void snapshot(Reply<Snapshot> reply) override {
    client_.call({"GET", keys_path(keys_.prefix) + "?recursive=true&quorum=true", {}},
                 [this, answer = naming("read " + keys_.prefix, read_right(), std::move(reply))](
                     const Result<KeysReply>& got) { answer(snapshot_in(got)); });
  }

  // Each key of a list has the rest of its TTL.
  void remaining_lives(std::vector<Record>, Reply<RemainingLives> reply) override {
    client_.call({"GET", keys_path(keys_.prefix) + "?recursive=true&quorum=true", {}},
                 [this, answer = naming("read " + keys_.prefix, read_right(), std::move(reply))](
                     const Result<KeysReply>& got) {
                   if (got && got->error == keys_error::kNotFound) return answer(RemainingLives());
                   if (!got) return answer(Failure(got.error()));
                   if (got->error != 0) return answer(fail(ErrorKind::invalid, got->error_text));
                   const auto list = decode_keys_answer(got->body);
                   if (!list) return answer(Failure(list.error()));
                   answer(lives_of(*list, keys_));
                 });
  }

  WatchHandle watch(Revision from, WatchListener listener) override {
    return start_etcd2_watch(client_, loop_, keys_, {from, cluster_}, std::move(listener));
  }

  void create_if_absent(std::string key, std::string value, Ttl ttl,
                        Reply<WriteResult> reply) override {
    refreshed_.erase(key);
    write(key, "prevExist=false&value=" + percent_encode(value) + ttl_field(ttl), ErrorKind::exists,
          ttl, naming("create " + keys_.subnet(key), write_right(), std::move(reply)));
  }

  void replace_if_unchanged(Record seen, std::string value, Ttl ttl,
                            Reply<WriteResult> reply) override {
    write(seen.key, if_as(seen) + "&value=" + percent_encode(value) + ttl_field(ttl),
          ErrorKind::conflict, ttl,
          naming("replace " + keys_.subnet(seen.key), write_right(), std::move(reply)));
  }

  void renew_if_unchanged(Record seen, Ttl ttl, Reply<WriteResult> reply) override {
    auto answer = naming("renew " + keys_.subnet(seen.key), write_right(), std::move(reply));
    if (!seen.expires() || !ttl) return check(seen, std::move(answer));
    refresh(seen, *ttl,
            [this, seen, ttl, answer = std::move(answer)](const Result<Revision>& index) {
              if (!index) return answer(Failure(index.error()));
              // A refreshed key has another index, although no change was reported.
              refreshed_[seen.key] = {seen.revision, *index};
              answer(WriteResult{seen.revision, kExpiresByTtl, ttl});
            });
  }

  // Lets the record expire. A compareAndDelete is an event at which flannel v0.10 stops for ever,
  // and a plain delete could remove what another process has written meanwhile.
  void release_if_unchanged(Record seen, Reply<void> reply) override {
    auto answer = naming("release " + keys_.subnet(seen.key), write_right(), std::move(reply));
    refresh(seen, kShortestTtl,
            [this, key = seen.key, answer = std::move(answer)](const Result<Revision>& index) {
              if (!index) return answer(Failure(index.error()));
              refreshed_.erase(key);
              wait_until_gone(key, *index, answer);
            });
  }

  void write_config(std::string text, Revision seen, Reply<Revision> reply) override {
    const std::string condition = seen == 0 ? "prevExist=false" : if_at(seen);
    client_.call({"PUT", keys_path(keys_.config), condition + "&value=" + percent_encode(text)},
                 [answer = naming("write " + keys_.config, right_to("readwrite", keys_.config),
                                  std::move(reply))](const Result<KeysReply>& got) {
                   const auto node = node_of(got, ErrorKind::conflict);
                   if (!node) return answer(Failure(node.error()));
                   answer(node->modified);
                 });
  }

  void remove_config(Revision seen, Reply<void> reply) override {
    client_.call({"DELETE", keys_path(keys_.config) + "?prevIndex=" + std::to_string(seen), {}},
                 [answer = naming("delete " + keys_.config, right_to("readwrite", keys_.config),
                                  std::move(reply))](const Result<KeysReply>& got) {
                   const auto node = node_of(got, ErrorKind::conflict);
                   if (!node) return answer(Failure(node.error()));
                   answer({});
                 });
  }

  void list_networks(Reply<NetworkList> reply) override {
    client_.call({"GET", keys_path(keys_.prefix) + "?recursive=true&quorum=true", {}},
                 [this, answer = naming("list the networks below " + keys_.prefix, read_right(),
                                        std::move(reply))](const Result<KeysReply>& got) {
                   if (got && got->error == keys_error::kNotFound) return answer({});
                   const auto node = node_of(got, ErrorKind::invalid);
                   if (!node) return answer(Failure(node.error()));
                   std::vector<std::string> keys;
                   add_keys(*node, keys);
                   answer(keys_.networks_of(keys));
                 });
  }

 private:
  static void add_keys(const KeysNode& directory, std::vector<std::string>& keys) {
    for (const KeysNode& node : directory.nodes) {
      if (!node.dir) keys.push_back(node.key);
      add_keys(node, keys);
    }
  }

  // The revision that was reported for a refreshed record, and its current index.
  struct Refreshed {
    Revision reported = 0;
    Revision index = 0;
  };

  // A recursive read or watch requires the right to read everything below the prefix.
  std::string read_right() const { return right_to("read", keys_.prefix + "/*"); }
  std::string write_right() const { return right_to("readwrite", keys_.subnets + "*"); }

  static std::string if_at(Revision index) {
    return "prevExist=true&prevIndex=" + std::to_string(index);
  }

  // etcd refuses an empty prevValue, and returns invalid UTF-8 as U+FFFD.
  std::string if_as(const Record& seen) const {
    const bool unknown = seen.value.empty() || seen.value.find("\xef\xbf\xbd") != std::string::npos;
    return if_at(index_of(seen)) + (unknown ? "" : "&prevValue=" + percent_encode(seen.value));
  }

  Revision index_of(const Record& seen) const {
    const auto found = refreshed_.find(seen.key);
    return found != refreshed_.end() && found->second.reported == seen.revision
               ? found->second.index
               : seen.revision;
  }

  Result<Snapshot> snapshot_in(const Result<KeysReply>& got) {
    if (!got && got.error().kind == ErrorKind::invalid) {
      return fail(ErrorKind::invalid,
                  got.error().text + "; delete what is no lease below " + keys_.subnets);
    }
    if (!got) return Failure(got.error());
    cluster_ = got->cluster;
    if (got->index == 0) return fail(ErrorKind::invalid, "the answer has no X-Etcd-Index");
    // No record was ever written, but the store has a position.
    if (got->error == keys_error::kNotFound) return Snapshot{got->index, {}, {}};
    if (got->error != 0) return fail(ErrorKind::invalid, got->error_text);
    const KeysAnswer answer = TRY(decode_keys_answer(got->body));
    Snapshot all = TRY(snapshot_of(answer, got->index, keys_));
    for (Record& record : all.records) {
      const auto found = refreshed_.find(record.key);
      if (found != refreshed_.end() && found->second.index == record.revision) {
        record.revision = found->second.reported;
      }
    }
    return all;
  }

  void write(const std::string& key, std::string form, ErrorKind refused, Ttl ttl,
             Reply<WriteResult> answer) {
    client_.call(
        {"PUT", keys_path(keys_.subnet(key)), std::move(form)},
        [this, key, refused, ttl, answer = std::move(answer)](const Result<KeysReply>& got) {
          const auto node = node_of(got, refused);
          if (!node) return answer(Failure(node.error()));
          refreshed_.erase(key);
          answer(WriteResult{node->modified, ttl ? kExpiresByTtl : ExpiryHandle(), ttl});
        });
  }

  // Gives the record another TTL if it is still at `seen`, without an event for watchers. Returns
  // its new index.
  void refresh(const Record& seen, std::chrono::seconds ttl, Reply<Revision> answer) {
    if (refresh_known_) return send_refresh(seen, ttl, "refresh=true", std::move(answer));
    client_.call({"GET", "/version", {}}, [this, seen, ttl, answer = std::move(answer)](
                                              const Result<KeysReply>& got) {
      if (!got) return answer(Failure(got.error()));
      refresh_known_ = knows_refresh(got->body);
      // An old etcd can only write the same value again, which is a harmless event for all
      // watchers.
      send_refresh(seen, ttl,
                   refresh_known_ ? "refresh=true" : "value=" + percent_encode(seen.value), answer);
    });
  }

  void send_refresh(const Record& seen, std::chrono::seconds ttl, const std::string& what,
                    Reply<Revision> answer) {
    client_.call(
        {"PUT", keys_path(keys_.subnet(seen.key)), if_as(seen) + ttl_field(ttl) + "&" + what},
        [answer = std::move(answer)](const Result<KeysReply>& got) {
          const auto node = node_of(got, ErrorKind::conflict);
          if (!node) return answer(Failure(node.error()));
          answer(node->modified);
        });
  }

  // Checks that the record is still at `seen`.
  void check(const Record& seen, Reply<WriteResult> answer) {
    client_.call(
        {"GET", keys_path(keys_.subnet(seen.key)) + "?quorum=true", {}},
        [this, seen, answer = std::move(answer)](const Result<KeysReply>& got) {
          const auto node = node_of(got, ErrorKind::conflict);
          if (!node) return answer(Failure(node.error()));
          if (node->modified != index_of(seen) || node->value != seen.value) {
            return answer(fail(ErrorKind::conflict, "changed since it was read"));
          }
          answer(WriteResult{seen.revision, node->expires ? kExpiresByTtl : ExpiryHandle(), {}});
        });
  }

  // Waits for the next change of the key. After any change the released record is gone.
  void wait_until_gone(const std::string& key, Revision index, const Reply<void>& answer) {
    client_.call(
        {"GET",
         keys_path(keys_.subnet(key)) + "?wait=true&waitIndex=" + std::to_string(index + 1),
         {}},
        [answer](const Result<KeysReply>& got) {
          if (!got) return answer(Failure(got.error()));
          answer({});
        });
  }

  Loop& loop_;
  const StoreKeys keys_;
  const std::string urls_;
  std::string cluster_;                                   // from the last snapshot
  bool refresh_known_ = false;                            // this etcd supports refresh
  std::unordered_map<std::string, Refreshed> refreshed_;  // our own records, which are few
  KeysClient client_;  // the last member: its callbacks use the others
};

}  // namespace

std::unique_ptr<Registry> open_etcd2_registry(std::shared_ptr<EndpointSession> session,
                                              const std::string& prefix, Loop& loop) {
  std::string urls = joined_urls(session->access.endpoints, &HttpAccess::target);
  return std::make_unique<Etcd2Registry>(std::move(session), std::move(urls), prefix, loop);
}

void ask_before_v3(KeysClient& client, Reply<bool> reply) {
  client.call({"GET", "/version", {}}, [reply = std::move(reply)](const Result<KeysReply>& got) {
    if (!got) return reply(Failure(got.error()));
    reply(is_before_v3(got->body));
  });
}

}  // namespace flannel
