// SPDX-License-Identifier: Apache-2.0
#include "registry/sqlite/sqlite_registry.h"

#include <utility>

#include "loop/loop_gate.h"
#include "registry/sqlite/sqlite_worker.h"
#include "registry/store_keys.h"

namespace flannel {
namespace {

class SqliteWatch final : public Subscription {
 public:
  SqliteWatch(SqliteWorker& worker, SqliteWatcher watcher, std::shared_ptr<WatchListener> listener)
      : worker_(worker), listener_(std::move(listener)), token_(worker.watch(std::move(watcher))) {}
  ~SqliteWatch() override { worker_.end_watch(token_); }

 private:
  SqliteWorker& worker_;
  std::shared_ptr<WatchListener> listener_;
  std::uint64_t token_;
};

struct IdentifiedSnapshot {
  Snapshot all;
  std::string file_id;
};

class SqliteRegistry final : public Registry {
 public:
  SqliteRegistry(std::unique_ptr<SqliteWorker> worker, std::string path, std::string prefix,
                 Loop& loop)
      : path_(std::move(path)),
        prefix_(std::move(prefix)),
        poster_(loop.poster()),
        gate_(loop),
        worker_(std::move(worker)) {}

  std::string describe() const override { return "sqlite at " + path_; }
  std::string config_key() const override { return prefix_ + "/config"; }

  void snapshot(Reply<Snapshot> reply) override {
    call<IdentifiedSnapshot>(
        "read " + prefix_,
        [this, reply = std::move(reply)](Result<IdentifiedSnapshot> taken) {
          if (!taken) return reply(Failure(std::move(taken.error())));
          file_id_ = taken->file_id;
          reply(std::move(taken->all));
        },
        [prefix = prefix_](LeaseFile& file) -> Result<IdentifiedSnapshot> {
          Snapshot all = TRY(file.snapshot(prefix));
          return IdentifiedSnapshot{std::move(all), file.id()};
        });
  }

  void remaining_lives(std::vector<Record>, Reply<RemainingLives> reply) override {
    call<RemainingLives>(
        "read the expiries below " + prefix_, std::move(reply),
        [prefix = prefix_](LeaseFile& file) { return file.remaining_lives(prefix, wall_now()); });
  }

  WatchHandle watch(Revision from, WatchListener listener) override {
    auto kept = std::make_shared<WatchListener>(std::move(listener));
    SqliteWatcher watcher{prefix_, from, file_id_, poster_, kept};
    return std::make_unique<SqliteWatch>(*worker_, std::move(watcher), std::move(kept));
  }

  void create_if_absent(std::string key, std::string value, Ttl ttl,
                        Reply<WriteResult> reply) override {
    call<WriteResult>("create " + key, std::move(reply),
                      [prefix = prefix_, key, value = std::move(value), ttl](LeaseFile& file) {
                        return file.create(prefix, key, value, ttl, wall_now());
                      });
  }

  void replace_if_unchanged(Record seen, std::string value, Ttl ttl,
                            Reply<WriteResult> reply) override {
    call<WriteResult>("replace " + seen.key, std::move(reply),
                      [prefix = prefix_, seen, value = std::move(value), ttl](LeaseFile& file) {
                        return file.replace(prefix, seen, value, ttl, wall_now());
                      });
  }

  void renew_if_unchanged(Record seen, Ttl ttl, Reply<WriteResult> reply) override {
    call<WriteResult>("renew " + seen.key, std::move(reply),
                      [prefix = prefix_, seen, ttl](LeaseFile& file) {
                        return file.renew(prefix, seen, ttl, wall_now());
                      });
  }

  void release_if_unchanged(Record seen, Reply<void> reply) override {
    call<void>("release " + seen.key, std::move(reply), [prefix = prefix_, seen](LeaseFile& file) {
      return file.release(prefix, seen, wall_now());
    });
  }

  void write_config(std::string text, Revision seen, Reply<Revision> reply) override {
    call<Revision>("write the configuration", std::move(reply),
                   [prefix = prefix_, text = std::move(text), seen](LeaseFile& file) {
                     return file.write_config(prefix, text, seen);
                   });
  }

  void remove_config(Revision seen, Reply<void> reply) override {
    call<void>(
        "delete the configuration", std::move(reply),
        [prefix = prefix_, seen](LeaseFile& file) { return file.remove_config(prefix, seen); });
  }

  void list_networks(Reply<NetworkList> reply) override {
    call<NetworkList>("list the networks below " + prefix_, std::move(reply),
                      [prefix = prefix_](LeaseFile& file) -> Result<NetworkList> {
                        std::vector<std::string> keys;
                        for (const std::string& other : TRY(file.configured()))
                          keys.push_back(StoreKeys(other).config);
                        return StoreKeys(prefix).networks_of(keys);
                      });
  }

 private:
  // The worker passes the reply back unused, so that the objects that it owns are destroyed on the
  // loop thread.
  template <typename T>
  void call(const std::string& what, Reply<T> reply, std::function<Result<T>(LeaseFile&)> act) {
    worker_->run([sender = gate_.sender(), what = what + " in " + path_, reply = std::move(reply),
                  act = std::move(act)](Result<LeaseFile*> file) mutable {
      Result<T> result = file ? act(**file) : Failure(std::move(file.error()));
      if (!result) result = Failure(std::move(result.error()).during(what));
      sender.post([reply = std::move(reply), result = std::move(result)] { reply(result); });
    });
  }

  std::string path_, prefix_;
  std::string file_id_;  // from the last snapshot
  std::shared_ptr<Poster> poster_;
  LoopGate gate_;
  std::unique_ptr<SqliteWorker> worker_;
};

}  // namespace

Result<std::unique_ptr<Registry>> open_sqlite_registry(const std::string& path, std::string prefix,
                                                       Loop& loop) {
  if (path.empty()) return fail(ErrorKind::invalid, "open the sqlite store: no path is given");
  auto worker = TRY(SqliteWorker::start(path));
  return std::make_unique<SqliteRegistry>(std::move(worker), path, std::move(prefix), loop);
}

}  // namespace flannel
