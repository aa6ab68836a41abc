// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd_choice.h"

#include <chrono>
#include <utility>

#include "base/log.h"

namespace flannel {
namespace {

constexpr std::chrono::seconds kLookAgain{3};

class EtcdChoice final : public Registry {
 public:
  EtcdChoice(EtcdCandidates candidates, Loop& loop)
      : v3_(std::move(candidates.v3)),
        v2_(std::move(candidates.v2)),
        ask_only_v2_(std::move(candidates.ask_only_v2)),
        loop_(loop) {}

  std::string describe() const override {
    return chosen_ ? chosen_->describe() : v3_->describe() + " (or v2, nothing is there yet)";
  }

  StoreFailures failures() const override {
    return chosen_ ? chosen_->failures() : v3_->failures();
  }

  void snapshot(Reply<Snapshot> reply) override {
    if (chosen_) return chosen_->snapshot(std::move(reply));
    v3_->snapshot([this, reply = std::move(reply)](Result<Snapshot> of_v3) {
      if (of_v3 && of_v3->config) choose(*v3_, "v3", "the configuration is there");
      if (chosen_ == v3_.get()) return reply(std::move(of_v3));
      look_at_v2(std::move(of_v3), reply);
    });
  }

  WatchHandle watch(Revision from, WatchListener listener) override;

  void create_if_absent(std::string key, std::string value, Ttl ttl, Reply<Held> reply) override {
    active().create_if_absent(std::move(key), std::move(value), ttl, std::move(reply));
  }
  void replace_if_unchanged(Record seen, std::string value, Ttl ttl, Reply<Held> reply) override {
    active().replace_if_unchanged(std::move(seen), std::move(value), ttl, std::move(reply));
  }
  void renew_if_unchanged(Record seen, Ttl ttl, Reply<Held> reply) override {
    active().renew_if_unchanged(std::move(seen), ttl, std::move(reply));
  }
  void release_if_unchanged(Record seen, Reply<void> reply) override {
    active().release_if_unchanged(std::move(seen), std::move(reply));
  }
  void write_config(std::string text, Revision seen, Reply<Revision> reply) override {
    active().write_config(std::move(text), seen, std::move(reply));
  }

 private:
  class UndecidedWatch;

  Registry& active() { return chosen_ ? *chosen_ : *v3_; }

  void choose(Registry& registry, const char* api, const char* why) {
    if (chosen_) return;
    chosen_ = &registry;
    log::info("etcd API chosen", {{"api", api}, {"why", why}, {"store", registry.describe()}});
  }

  // v3 has no configuration, or no answer.
  void look_at_v2(Result<Snapshot> of_v3, const Reply<Snapshot>& reply) {
    v2_->snapshot([this, of_v3 = std::move(of_v3), reply](Result<Snapshot> of_v2) mutable {
      if (!of_v2 || !of_v2->config) return reply(std::move(of_v3));
      if (!of_v3) return ask_for_v3(std::move(of_v3), *std::move(of_v2), reply);
      choose(*v2_, "v2", "the configuration is there, and none under v3");
      reply(std::move(of_v2));
    });
  }

  // There is a configuration under v2, but under v3 there may be one as well: only an etcd without
  // v3 settles it.
  void ask_for_v3(Result<Snapshot> of_v3, Snapshot of_v2, const Reply<Snapshot>& reply) {
    ask_only_v2_([this, of_v3 = std::move(of_v3), of_v2 = std::move(of_v2),
                  reply](const Result<bool>& only_v2) {
      if (!only_v2 || !*only_v2) return reply(of_v3);
      choose(*v2_, "v2", "the configuration is there, and this etcd has no v3");
      reply(of_v2);
    });
  }

  std::unique_ptr<Registry> v3_, v2_;
  std::function<void(Reply<bool>)> ask_only_v2_;
  Loop& loop_;
  Registry* chosen_ = nullptr;
};

// Every call of the listener is the last thing a member does: it may drop the watch.
class EtcdChoice::UndecidedWatch final : public Subscription {
 public:
  UndecidedWatch(EtcdChoice& choice, Revision from, WatchListener listener)
      : choice_(choice), listener_(std::move(listener)) {
    WatchListener of_v3 = listener_;
    of_v3.on_changes = [this](const std::vector<Change>& changes, Revision revision) {
      for (const Change& change : changes) {
        if (!std::holds_alternative<ConfigPut>(change)) continue;
        choice_.choose(*choice_.v3_, "v3", "the configuration has come there");
        timer_.reset();
      }
      const auto on_changes = listener_.on_changes;
      on_changes(changes, revision);
    };
    v3_ = choice_.v3_->watch(from, std::move(of_v3));
    look_later();
  }

 private:
  void look_later() {
    timer_ = choice_.loop_.at(choice_.loop_.now() + kLookAgain, [this] {
      choice_.v2_->snapshot(
          [this, watching = std::weak_ptr(watching_)](const Result<Snapshot>& of_v2) {
            if (!watching.expired()) looked(of_v2);
          });
    });
  }

  void looked(const Result<Snapshot>& of_v2) {
    if (choice_.chosen_) return;
    if (!of_v2 || !of_v2->config) return look_later();
    choice_.choose(*choice_.v2_, "v2", "the configuration has come there");
    v3_.reset();
    const auto on_position_lost = listener_.on_position_lost;
    on_position_lost();
  }

  EtcdChoice& choice_;
  WatchListener listener_;
  WatchHandle v3_;
  SubscriptionPtr timer_;
  std::shared_ptr<int> watching_ = std::make_shared<int>(0);
};

WatchHandle EtcdChoice::watch(Revision from, WatchListener listener) {
  if (chosen_) return chosen_->watch(from, std::move(listener));
  return std::make_unique<UndecidedWatch>(*this, from, std::move(listener));
}

}  // namespace

std::unique_ptr<Registry> open_etcd_choice(EtcdCandidates candidates, Loop& loop) {
  return std::make_unique<EtcdChoice>(std::move(candidates), loop);
}

}  // namespace flannel
