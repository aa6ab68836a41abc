// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd3/etcd_registry.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "loop/loop_gate.h"
#include "registry/etcd3/calls.h"
#include "registry/etcd3/etcd_watch.h"
#include "registry/etcd3/keep_alive.h"
#include "registry/etcd3/remaining_lives.h"
#include "registry/etcd3/rights.h"
#include "registry/etcd3/snapshot_call.h"
#include "registry/explain_errors.h"
#include "registry/store_keys.h"

namespace flannel {
namespace {

using std::chrono::seconds;

// The etcd lease to which the next put attaches its record.
struct EtcdLease {
  std::int64_t id = 0;  // 0: none, the record is a reservation
  Ttl ttl;
  bool fresh = false;  // granted for this put, and useless if the put fails
};

// Makes errors of `reply` say what was being done, and which right was missing.
template <typename T>
Reply<T> naming(std::string what, EtcdRight right, Reply<T> reply) {
  return explain_errors<T>(
      [what = std::move(what), right = std::move(right)](Error error) {
        return naming_right(std::move(error), right).during(what);
      },
      std::move(reply));
}

// Returns the value that a write requires, besides the revision.
std::optional<std::string> seen_value(const Record& seen) {
  return seen.left_out == 0 ? std::optional(seen.value) : std::nullopt;
}

class EtcdRegistry final : public Registry {
 public:
  EtcdRegistry(std::shared_ptr<EtcdSession> session, const std::string& prefix, Loop& loop)
      : loop_(loop),
        keys_(prefix),
        session_(std::move(session)),
        connection_(*session_, loop),
        keep_alive_(connection_, loop) {}

  std::string describe() const override { return "etcd v3 at " + session_->urls(); }
  std::string config_key() const override { return keys_.config; }

  StoreFailures failures() const override { return connection_.failures(); }

  void snapshot(Reply<Snapshot> reply) override {
    take_etcd_snapshot(
        connection_, keys_,
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

  void remaining_lives(std::vector<Record> records, Reply<RemainingLives> reply) override {
    if (std::ranges::none_of(records, &Record::expires)) {
      return gate_.sender().post([reply = std::move(reply)] { reply(RemainingLives()); });
    }
    ask_remaining_lives(
        connection_, records,
        explain_errors<RemainingLives>(
            [](Error error) { return std::move(error).during("ask how long the leases live on"); },
            std::move(reply)));
  }

  WatchHandle watch(Revision from, WatchListener listener) override {
    return start_etcd_watch({.connection = connection_,
                             .loop = loop_,
                             .keys = keys_,
                             .from = from,
                             .cluster = cluster_,
                             .narrow = narrow_role_},
                            std::move(listener));
  }

  void create_if_absent(std::string key, std::string value, Ttl ttl,
                        Reply<WriteResult> reply) override {
    EtcdCommit commit{.key = keys_.subnet(key), .value = std::move(value)};
    auto answer = naming<WriteResult>("create " + commit.key, write_right(),
                                      [reply = std::move(reply)](Result<WriteResult> held) {
                                        const bool taken =
                                            !held && held.error().kind == ErrorKind::conflict;
                                        if (taken) held = fail(ErrorKind::exists, "there already");
                                        reply(std::move(held));
                                      });
    new_lease(ttl, [this, commit = std::move(commit), answer = std::move(answer)](
                       const Result<EtcdLease>& lease) { put(commit, lease, answer); });
  }

  void replace_if_unchanged(Record seen, std::string value, Ttl ttl,
                            Reply<WriteResult> reply) override {
    EtcdCommit commit{.key = keys_.subnet(seen.key),
                      .seen = seen.revision,
                      .seen_value = seen_value(seen),
                      .value = std::move(value)};
    auto answer = naming("replace " + commit.key, write_right(), std::move(reply));
    keep_lease(lease_of(seen.expiry_handle), ttl,
               [this, commit = std::move(commit), answer = std::move(answer),
                old = seen.expiry_handle](const Result<EtcdLease>& lease) {
                 put(commit, lease, [this, answer, old](Result<WriteResult> held) {
                   if (held && held->expiry_handle != old) drop_own_lease(lease_of(old));
                   answer(std::move(held));
                 });
               });
  }

  void renew_if_unchanged(Record seen, Ttl ttl, Reply<WriteResult> reply) override {
    EtcdCommit check{.op = EtcdCommit::Op::check,
                     .key = keys_.subnet(seen.key),
                     .seen = seen.revision,
                     .seen_value = seen_value(seen)};
    auto answer = naming("renew " + check.key, write_right(), std::move(reply));
    etcd_commit(connection_, std::move(check),
                [this, seen, ttl, answer = std::move(answer)](const Result<Revision>& unchanged) {
                  if (!unchanged) return answer(Failure(unchanged.error()));
                  if (!seen.expires()) return answer(WriteResult{seen.revision, {}, {}});
                  extend(seen, ttl, answer);
                });
  }

  void release_if_unchanged(Record seen, Reply<void> reply) override {
    EtcdCommit commit{.op = EtcdCommit::Op::remove,
                      .key = keys_.subnet(seen.key),
                      .seen = seen.revision,
                      .seen_value = seen_value(seen)};
    auto answer = naming("release " + commit.key, write_right(), std::move(reply));
    etcd_commit(connection_, std::move(commit),
                [this, lease = lease_of(seen.expiry_handle),
                 answer = std::move(answer)](const Result<Revision>& gone) {
                  if (!gone) return answer(Failure(gone.error()));
                  drop_own_lease(lease);
                  answer({});
                });
  }

  void write_config(std::string text, Revision seen, Reply<Revision> reply) override {
    etcd_commit(connection_, {.key = keys_.config, .seen = seen, .value = std::move(text)},
                naming("write " + keys_.config, write_of(keys_.config), std::move(reply)));
  }

  void remove_config(Revision seen, Reply<void> reply) override {
    auto answer = naming("delete " + keys_.config, write_of(keys_.config), std::move(reply));
    etcd_commit(connection_, {.op = EtcdCommit::Op::remove, .key = keys_.config, .seen = seen},
                [answer = std::move(answer)](const Result<Revision>& gone) {
                  if (!gone) return answer(Failure(gone.error()));
                  answer({});
                });
  }

  // The order of keys is not that of names: "a.b/config" is before "a/config".
  void list_networks(Reply<NetworkList> reply) override {
    const std::string below = keys_.folder();
    etcdserverpb::RangeRequest request;
    request.set_key(below.empty() ? std::string(1, '\0') : below);
    request.set_range_end(end_of_range(below));
    request.set_keys_only(true);
    auto answer =
        naming("list the networks below " + below, read_of_all_below(below), std::move(reply));
    etcd_range(
        connection_, request, kCallDeadline,
        [this, answer = std::move(answer)](const Result<etcdserverpb::RangeResponse>& listed) {
          if (!listed) return answer(Failure(listed.error()));
          std::vector<std::string> keys;
          for (const auto& kv : listed->kvs())
            keys.push_back(kv.key());
          answer(keys_.networks_of(keys));
        });
  }

 private:
  EtcdRight write_right() const { return write_of_all_below(keys_.subnets); }

  void new_lease(Ttl ttl, std::function<void(Result<EtcdLease>)> done) {
    if (!ttl) return done(EtcdLease{});
    const std::int64_t id = new_lease_id();
    ++grants_;
    ++writing_;
    grant_lease(connection_, id, *ttl,
                [this, id, done = std::move(done)](const Result<seconds>& granted) {
                  --writing_;
                  // The lease may have been granted; then the next list finds it idle.
                  const bool perhaps = granted || granted.error().kind == ErrorKind::unavailable;
                  if (perhaps) own_leases_.insert(id);
                  if (!granted) return done(Failure(granted.error()));
                  done(EtcdLease{id, *granted, true});
                });
  }

  // Passes on the lease `id` if it exists and has the TTL that is wanted, otherwise a new one.
  void keep_lease(std::int64_t id, Ttl ttl, std::function<void(Result<EtcdLease>)> done) {
    if (id == 0 || !ttl) return new_lease(ttl, std::move(done));
    keep_alive_.keep(id, [this, id, ttl, done = std::move(done)](const Result<seconds>& left) {
      if (!left) return done(Failure(left.error()));
      if (left->count() == 0 || has_another_ttl(id, *left, *ttl)) return new_lease(ttl, done);
      done(EtcdLease{id, *left, false});
    });
  }

  // The TTL of an etcd lease is fixed when it is granted. One of an earlier run, of upstream's or
  // of flannelctl's may have another than what this run is to use. For one granted here etcd may
  // have raised it, and would again.
  bool has_another_ttl(std::int64_t id, seconds granted, seconds wanted) const {
    return !own_leases_.contains(id) && std::chrono::abs(granted - wanted) > seconds(1);
  }

  void put(EtcdCommit commit, const Result<EtcdLease>& lease, Reply<WriteResult> answer) {
    if (!lease) return answer(Failure(lease.error()));
    commit.lease = lease->id;
    ++writing_;
    etcd_commit(connection_, std::move(commit),
                [this, lease = *lease, answer = std::move(answer)](const Result<Revision>& at) {
                  --writing_;
                  if (at) return answer(WriteResult{*at, expiry_handle_of(lease.id), lease.ttl});
                  // After an unknown outcome the record may have this lease, so it must stay.
                  const bool known = at.error().kind != ErrorKind::unavailable;
                  if (known && lease.fresh) drop_own_lease(lease.id);
                  Error error = at.error();
                  // not_found: the lease ended meanwhile. The next try gets another one.
                  if (error.kind == ErrorKind::not_found) error.kind = ErrorKind::unavailable;
                  answer(Failure(std::move(error)));
                });
  }

  void extend(const Record& seen, Ttl ttl, const Reply<WriteResult>& answer) {
    const std::int64_t lease = lease_of(seen.expiry_handle);
    keep_alive_.keep(lease, [this, lease, seen, ttl, answer](const Result<seconds>& left) {
      if (!left) return answer(Failure(left.error()));
      if (left->count() == 0) return answer(fail(ErrorKind::conflict, "it has expired"));
      const WriteResult kept{seen.revision, seen.expiry_handle, *left};
      if (!ttl || !has_another_ttl(lease, *left, *ttl)) return answer(kept);
      change_ttl(seen, ttl, kept, answer);
    });
  }

  // Writes the same value with a new lease in one step, so that the record always has one. If this
  // fails the record keeps the old lease, which has just been renewed.
  void change_ttl(const Record& seen, Ttl ttl, const WriteResult& kept,
                  const Reply<WriteResult>& answer) {
    EtcdCommit commit{.key = keys_.subnet(seen.key),
                      .seen = seen.revision,
                      .seen_value = seen.value,
                      .value = seen.value};
    new_lease(ttl,
              [this, commit = std::move(commit), kept, answer](const Result<EtcdLease>& lease) {
                put(commit, lease, [key = commit.key, kept, answer](Result<WriteResult> moved) {
                  if (moved || moved.error().kind == ErrorKind::conflict)
                    return answer(std::move(moved));
                  log::warning("the lease keeps the TTL that it was created with",
                               {{"key", key}, {"why", moved.error().text}});
                  answer(kept);
                });
              });
  }

  // Revokes only a lease that was granted here, to which no other record can be attached. Leases of
  // an earlier run or of upstream flannel expire by themselves.
  void drop_own_lease(std::int64_t lease) {
    if (own_leases_.erase(lease) > 0) revoke_lease(connection_, lease);
  }

  bool quiet() const { return writing_ == 0; }

  // Revokes our leases without a record: those of grants and writes whose outcome was unknown, and
  // of a record that became a reservation. A late write with one of them then fails, as its sender
  // has already assumed.
  void drop_idle_leases(const Snapshot& all) {
    if (own_leases_.empty()) return;
    std::unordered_set<std::int64_t> idle = own_leases_;
    for (const Record& record : all.records)
      idle.erase(lease_of(record.expiry_handle));
    for (const std::int64_t lease : idle)
      drop_own_lease(lease);
  }

  Loop& loop_;
  LoopGate gate_{loop_};  // for answers that need no call
  StoreKeys keys_;
  std::uint64_t cluster_ = 0;  // from the last snapshot
  bool narrow_role_ = false;
  std::unordered_set<std::int64_t> own_leases_;
  std::uint64_t grants_ = 1;   // requests so far, plus one
  std::uint64_t writing_ = 0;  // grants and puts under way
  std::shared_ptr<EtcdSession> session_;
  EtcdConnection connection_;  // last but one, since its callbacks use the others
  EtcdKeepAlive keep_alive_;
};

}  // namespace

std::unique_ptr<Registry> open_etcd_registry(std::shared_ptr<EtcdSession> session,
                                             const std::string& prefix, Loop& loop) {
  return std::make_unique<EtcdRegistry>(std::move(session), prefix, loop);
}

}  // namespace flannel
