// SPDX-License-Identifier: Apache-2.0
#include "registry/memory/memory_registry.h"

#include <utility>

#include "loop/loop_gate.h"
#include "loop/timer.h"

namespace flannel {
namespace {

class MemoryWatch final : public Subscription {
 public:
  MemoryWatch(std::shared_ptr<MemoryStore> store, const std::string& prefix, Revision from,
              Loop& loop, WatchListener listener)
      : store_(std::move(store)),
        gate_(loop),
        listener_(std::make_shared<WatchListener>(std::move(listener))),
        token_(store_->watch(prefix, from, gate_.sender(), listener_)) {}
  ~MemoryWatch() override { store_->end_watch(token_); }

 private:
  std::shared_ptr<MemoryStore> store_;
  LoopGate gate_;
  std::shared_ptr<WatchListener> listener_;
  std::uint64_t token_;
};

class MemoryRegistry final : public Registry {
 public:
  MemoryRegistry(std::shared_ptr<MemoryStore> store, std::string prefix, Loop& loop)
      : store_(std::move(store)), prefix_(std::move(prefix)), loop_(loop), gate_(loop) {
    token_ = store_->attach(gate_.sender(), [this] { arm(); });
    arm();
  }
  ~MemoryRegistry() override { store_->detach(token_); }

  std::string describe() const override { return "memory"; }
  std::string config_key() const override { return prefix_ + "/config"; }

  void snapshot(Reply<Snapshot> reply) override {
    call(std::move(reply), [&]() -> Result<Snapshot> { return store_->snapshot(prefix_); });
  }

  void remaining_lives(std::vector<Record>, Reply<RemainingLives> reply) override {
    call(std::move(reply),
         [&]() -> Result<RemainingLives> { return store_->remaining_lives(prefix_, loop_.now()); });
  }

  WatchHandle watch(Revision from, WatchListener listener) override {
    return std::make_unique<MemoryWatch>(store_, prefix_, from, loop_, std::move(listener));
  }

  void create_if_absent(std::string key, std::string value, Ttl ttl,
                        Reply<WriteResult> reply) override {
    call(std::move(reply),
         [&] { return store_->create(prefix_, key, std::move(value), ttl, loop_.now()); });
  }

  void replace_if_unchanged(Record seen, std::string value, Ttl ttl,
                            Reply<WriteResult> reply) override {
    call(std::move(reply),
         [&] { return store_->replace(prefix_, seen, std::move(value), ttl, loop_.now()); });
  }

  void renew_if_unchanged(Record seen, Ttl ttl, Reply<WriteResult> reply) override {
    call(std::move(reply), [&] { return store_->renew(prefix_, seen, ttl, loop_.now()); });
  }

  void release_if_unchanged(Record seen, Reply<void> reply) override {
    call(std::move(reply), [&] { return store_->release(prefix_, seen); });
  }

  void write_config(std::string text, Revision seen, Reply<Revision> reply) override {
    call(std::move(reply), [&] { return store_->write_config(prefix_, std::move(text), seen); });
  }

  void remove_config(Revision seen, Reply<void> reply) override {
    call(std::move(reply), [&] { return store_->remove_config(prefix_, seen); });
  }

  void list_networks(Reply<NetworkList> reply) override {
    call(std::move(reply), [&] { return store_->networks(prefix_); });
  }

 private:
  // The call takes effect now, and the answer comes in a later turn.
  template <typename T, typename Act>
  void call(Reply<T> reply, Act act) {
    Result<T> result = attempt<T>(std::move(act));
    store_->answer(gate_.sender(),
                   [reply = std::move(reply), result = std::move(result)]() { reply(result); });
  }

  template <typename T, typename Act>
  Result<T> attempt(Act act) {
    if (auto failure = store_->failure_before()) return Failure(*std::move(failure));
    store_->expire(loop_.now());
    Result<T> result = act();
    if (auto failure = store_->failure_after()) return Failure(*std::move(failure));
    return result;
  }

  void arm() { timer_.arm(store_->next_expiry()); }

  std::shared_ptr<MemoryStore> store_;
  std::string prefix_;
  Loop& loop_;
  LoopGate gate_;
  std::uint64_t token_ = 0;
  Timer timer_{loop_, [this] {
                 store_->expire(loop_.now());
                 arm();
               }};
};

}  // namespace

std::unique_ptr<Registry> open_memory_registry(std::shared_ptr<MemoryStore> store,
                                               std::string prefix, Loop& loop) {
  return std::make_unique<MemoryRegistry>(std::move(store), std::move(prefix), loop);
}

}  // namespace flannel
