// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd3/etcd_registry.h"

#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "registry/etcd3/calls.h"
#include "registry/etcd3/etcd_watch.h"
#include "registry/etcd3/keep_alive.h"
#include "registry/etcd3/rights.h"
#include "registry/etcd3/snapshot_call.h"
#include "registry/store_keys.h"

namespace flannel {
namespace {

using std::chrono::seconds;

// What the next put of a record is attached to.
struct Hold {
  std::int64_t lease = 0;  // 0: nothing, a reservation
  Ttl ttl;
  bool fresh = false;  // granted for this put: of no use if the put does not happen
};

// Says what was being done, and which right that takes if it was missing.
template <typename T>
Reply<T> naming(std::string what, EtcdRight right, Reply<T> reply) {
  return [what = std::move(what), right = std::move(right),
          reply = std::move(reply)](Result<T> result) {
    if (result) return reply(std::move(result));
    reply(Failure(naming_right(std::move(result.error()), right).during(what)));
  };
}

// Returns the value that a write requires, besides the revision.
std::optional<std::string> seen_value(const Record& seen) {
  return seen.left_out == 0 ? std::optional(seen.value) : std::nullopt;
}

class EtcdRegistry final : public Registry {
 public:
  EtcdRegistry(std::unique_ptr<EtcdConnection> connection, std::string urls,
               const std::string& prefix, Loop& loop)
      : loop_(loop),
        keys_(prefix),
        urls_(std::move(urls)),
        connection_(std::move(connection)),
        keep_alive_(*connection_, loop) {}

  std::string describe() const override { return "etcd v3 at " + urls_; }
  std::string config_key() const override { return keys_.config; }

  StoreFailures failures() const override { return connection_->failures(); }

  void snapshot(Reply<Snapshot> reply) override {
    take_etcd_snapshot(
        *connection_, keys_,
        [this, quiet_at = quiet() ? grants_ : 0,
         answer = std::move(reply)](Result<EtcdSnapshot> taken) {
          if (!taken) {
            return answer(Failure(std::move(taken.error()).during("read " + keys_.prefix)));
          }
          cluster_ = taken->cluster;
          if (quiet() && quiet_at == grants_) drop_idle_leases(taken->all);
          answer(std::move(taken->all));
        });
  }

  WatchHandle watch(Revision from, WatchListener listener) override {
    return start_etcd_watch({.connection = *connection_,
                             .loop = loop_,
                             .keys = keys_,
                             .from = from,
                             .cluster = cluster_,
                             .narrow = narrow_role_},
                            std::move(listener));
  }

  void create_if_absent(std::string key, std::string value, Ttl ttl, Reply<Held> reply) override {
    EtcdCommit commit{.key = keys_.subnet(key), .value = std::move(value)};
    auto answer = naming<Held>(
        "create " + commit.key, write_right(), [reply = std::move(reply)](Result<Held> held) {
          const bool taken = !held && held.error().kind == ErrorKind::conflict;
          if (taken) held = fail(ErrorKind::exists, "there already");
          reply(std::move(held));
        });
    new_hold(ttl, [this, commit = std::move(commit), answer = std::move(answer)](
                      const Result<Hold>& hold) { put(commit, hold, answer); });
  }

  void replace_if_unchanged(Record seen, std::string value, Ttl ttl, Reply<Held> reply) override {
    EtcdCommit commit{.key = keys_.subnet(seen.key),
                      .seen = seen.revision,
                      .seen_value = seen_value(seen),
                      .value = std::move(value)};
    auto answer = naming("replace " + commit.key, write_right(), std::move(reply));
    kept_hold(seen.hold, ttl,
              [this, commit = std::move(commit), answer = std::move(answer),
               old = seen.hold](const Result<Hold>& hold) {
                put(commit, hold, [this, answer, old](Result<Held> held) {
                  if (held && held->hold != old) drop_own_lease(old);
                  answer(std::move(held));
                });
              });
  }

  void renew_if_unchanged(Record seen, Ttl ttl, Reply<Held> reply) override {
    EtcdCommit check{.op = EtcdCommit::Op::check,
                     .key = keys_.subnet(seen.key),
                     .seen = seen.revision,
                     .seen_value = seen_value(seen)};
    auto answer = naming("renew " + check.key, write_right(), std::move(reply));
    etcd_commit(*connection_, std::move(check),
                [this, seen, ttl, answer = std::move(answer)](const Result<Revision>& unchanged) {
                  if (!unchanged) return answer(Failure(unchanged.error()));
                  if (seen.hold == 0) return answer(Held{seen.revision, 0, {}});
                  extend(seen, ttl, answer);
                });
  }

  void release_if_unchanged(Record seen, Reply<void> reply) override {
    EtcdCommit commit{.op = EtcdCommit::Op::remove,
                      .key = keys_.subnet(seen.key),
                      .seen = seen.revision,
                      .seen_value = seen_value(seen)};
    auto answer = naming("release " + commit.key, write_right(), std::move(reply));
    etcd_commit(*connection_, std::move(commit),
                [this, hold = seen.hold, answer = std::move(answer)](const Result<Revision>& gone) {
                  if (!gone) return answer(Failure(gone.error()));
                  drop_own_lease(hold);
                  answer({});
                });
  }

  void write_config(std::string text, Revision seen, Reply<Revision> reply) override {
    etcd_commit(*connection_, {.key = keys_.config, .seen = seen, .value = std::move(text)},
                naming("write " + keys_.config, write_of(keys_.config), std::move(reply)));
  }

 private:
  EtcdRight write_right() const { return write_of_all_below(keys_.subnets); }

  void new_hold(Ttl ttl, std::function<void(Result<Hold>)> done) {
    if (!ttl) return done(Hold{});
    const std::int64_t id = new_lease_id();
    ++grants_;
    ++writing_;
    grant_lease(*connection_, id, *ttl,
                [this, id, done = std::move(done)](const Result<seconds>& granted) {
                  --writing_;
                  // The lease may have been granted; then the next list finds it idle.
                  const bool perhaps = granted || granted.error().kind == ErrorKind::unavailable;
                  if (perhaps) own_leases_.insert(id);
                  if (!granted) return done(Failure(granted.error()));
                  done(Hold{id, *granted, true});
                });
  }

  // `hold` if it is there, lives and has the TTL that is wanted, else a new one.
  void kept_hold(std::int64_t hold, Ttl ttl, std::function<void(Result<Hold>)> done) {
    if (hold == 0 || !ttl) return new_hold(ttl, std::move(done));
    keep_alive_.keep(hold, [this, hold, ttl, done = std::move(done)](const Result<seconds>& left) {
      if (!left) return done(Failure(left.error()));
      if (left->count() == 0 || has_another_ttl(hold, *left, *ttl)) return new_hold(ttl, done);
      done(Hold{hold, *left, false});
    });
  }

  // The TTL of an etcd lease is settled when it is granted. One of an earlier run, of upstream's or
  // of flannelctl's may have another than what this run is to use. For one granted here etcd may
  // have raised it, and would again.
  bool has_another_ttl(std::int64_t hold, seconds granted, seconds wanted) const {
    return !own_leases_.contains(hold) && std::chrono::abs(granted - wanted) > seconds(1);
  }

  void put(EtcdCommit commit, const Result<Hold>& hold, Reply<Held> answer) {
    if (!hold) return answer(Failure(hold.error()));
    commit.lease = hold->lease;
    ++writing_;
    etcd_commit(*connection_, std::move(commit),
                [this, hold = *hold, answer = std::move(answer)](const Result<Revision>& at) {
                  --writing_;
                  if (at) return answer(Held{*at, hold.lease, hold.ttl});
                  // After an unknown outcome the record may have this lease, so it must stay.
                  const bool known = at.error().kind != ErrorKind::unavailable;
                  if (known && hold.fresh) drop_own_lease(hold.lease);
                  Error error = at.error();
                  // not_found: the lease ended meanwhile. The next try gets another one.
                  if (error.kind == ErrorKind::not_found) error.kind = ErrorKind::unavailable;
                  answer(Failure(std::move(error)));
                });
  }

  void extend(const Record& seen, Ttl ttl, const Reply<Held>& answer) {
    keep_alive_.keep(seen.hold, [this, seen, ttl, answer](const Result<seconds>& left) {
      if (!left) return answer(Failure(left.error()));
      if (left->count() == 0) return answer(fail(ErrorKind::conflict, "it has expired"));
      const Held kept{seen.revision, seen.hold, *left};
      if (!ttl || !has_another_ttl(seen.hold, *left, *ttl)) return answer(kept);
      change_ttl(seen, ttl, kept, answer);
    });
  }

  // Writes the same value with a new lease in one step, so that the record always has one. If this
  // fails the record keeps the old lease, which has just been renewed.
  void change_ttl(const Record& seen, Ttl ttl, const Held& kept, const Reply<Held>& answer) {
    EtcdCommit commit{.key = keys_.subnet(seen.key),
                      .seen = seen.revision,
                      .seen_value = seen.value,
                      .value = seen.value};
    new_hold(ttl, [this, commit = std::move(commit), kept, answer](const Result<Hold>& hold) {
      put(commit, hold, [key = commit.key, kept, answer](Result<Held> moved) {
        if (moved || moved.error().kind == ErrorKind::conflict) return answer(std::move(moved));
        log::warning("the lease keeps the TTL that it was created with",
                     {{"key", key}, {"why", moved.error().text}});
        answer(kept);
      });
    });
  }

  // Revokes only a lease that was granted here, to which no other record can be attached. Leases of
  // an earlier run or of upstream flannel expire by themselves.
  void drop_own_lease(std::int64_t lease) {
    if (own_leases_.erase(lease) > 0) revoke_lease(*connection_, lease);
  }

  bool quiet() const { return writing_ == 0; }

  // Revokes our leases without a record: those of grants and writes whose outcome was unknown, and
  // of a record that became a reservation. A late write with one of them then fails, as its sender
  // has already assumed.
  void drop_idle_leases(const Snapshot& all) {
    if (own_leases_.empty()) return;
    std::unordered_set<std::int64_t> idle = own_leases_;
    for (const Record& record : all.records)
      idle.erase(record.hold);
    for (const std::int64_t lease : idle)
      drop_own_lease(lease);
  }

  Loop& loop_;
  StoreKeys keys_;
  std::string urls_;
  std::uint64_t cluster_ = 0;  // as the last snapshot told
  bool narrow_role_ = false;
  std::unordered_set<std::int64_t> own_leases_;
  std::uint64_t grants_ = 1;                    // requests so far, plus one
  std::uint64_t writing_ = 0;                   // grants and puts under way
  std::unique_ptr<EtcdConnection> connection_;  // last but one, since its callbacks use the others
  EtcdKeepAlive keep_alive_;
};

}  // namespace

Result<std::unique_ptr<Registry>> open_etcd_registry(EtcdAccess access, const std::string& prefix,
                                                     Loop& loop) {
  std::string urls;
  for (const EtcdEndpoint& endpoint : access.endpoints) {
    urls += (urls.empty() ? "" : ", ") + endpoint.at.url;
  }
  auto connection = TRY(EtcdConnection::open(std::move(access), loop));
  return std::make_unique<EtcdRegistry>(std::move(connection), std::move(urls), prefix, loop);
}

}  // namespace flannel
