// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd_choice.h"

#include <chrono>
#include <optional>
#include <utility>

#include "base/life_token.h"
#include "base/log.h"
#include "loop/timer.h"

namespace flannel {
namespace {

// Between lists of v2 while neither API has a configuration.
constexpr std::chrono::seconds kCheckV2Pause{3};
// How long v3 may take to answer before v2 is asked as well.
constexpr std::chrono::seconds kHeadStart{1};

constexpr const char* kV2 = "v2";
constexpr const char* kV3 = "v3";

// A list that is taken from both APIs.
struct PendingList {
  Reply<Snapshot> reply;
  std::optional<Result<Snapshot>> of_v3 = {}, of_v2 = {};
  bool v2_is_asked = false;
  bool replied = false;
  SubscriptionPtr head_start = {};
};

// Neither API has given a configuration: returns what the caller gets.
Result<Snapshot> combine_answers(Result<Snapshot> of_v3, const Result<Snapshot>& of_v2) {
  const bool v2_is_there = of_v2 || of_v2.error().kind != ErrorKind::unsupported;
  if (of_v3) {
    if (of_v2 || !v2_is_there) return of_v3;
    return fail(of_v2.error().kind,
                "v3 has no configuration, and whether v2 has one is not known: " +
                    of_v2.error().text + " (--etcd-api=3 does without v2)");
  }
  Error error = std::move(of_v3).error();
  if (of_v2) {
    error.text += "; under v2 there is no configuration";
  } else if (v2_is_there && of_v2.error().text != error.text) {
    error.text = "v3: " + error.text + "; v2: " + of_v2.error().text;
  }
  return tl::unexpected(std::move(error));
}

class EtcdChoice final : public Registry {
 public:
  EtcdChoice(EtcdCandidates candidates, Loop& loop)
      : v3_(std::move(candidates.v3)),
        v2_(std::move(candidates.v2)),
        ask_only_v2_(std::move(candidates.ask_only_v2)),
        loop_(loop) {}

  std::string describe() const override {
    return used() != nullptr ? used()->describe() : v3_->describe() + " (or v2)";
  }

  std::string config_key() const override {
    if (used() != nullptr) return used()->config_key();
    const std::string under_v3 = v3_->config_key();
    const std::string under_v2 = v2_->config_key();
    return under_v3 == under_v2 ? under_v3 : under_v3 + " under v3, " + under_v2 + " under v2";
  }

  bool repeats_history() const override { return used() != nullptr && used()->repeats_history(); }
  std::string history_name() const override {
    return used() == nullptr ? "" : used() == v2_.get() ? kV2 : kV3;
  }
  void expect_history(const std::string& name) override {
    if (name == kV2) expected_ = v2_.get();
    if (name == kV3) expected_ = v3_.get();
  }
  void use_expected_history() override {
    if (expected_ == nullptr) return;
    choose(*expected_, expected_ == v2_.get() ? kV2 : kV3, "this host has used it before");
  }
  StoreFailures failures() const override {
    return chosen_ ? chosen_->failures() : v3_->failures();
  }

  void snapshot(Reply<Snapshot> reply) override {
    if (chosen_) return chosen_->snapshot(std::move(reply));
    const auto list = std::make_shared<PendingList>(PendingList{.reply = std::move(reply)});
    list->head_start = loop_.at(loop_.now() + kHeadStart, [this, late = std::weak_ptr(list)] {
      if (const auto still = late.lock()) ask_v2(still);
    });
    v3_->snapshot([this, list](Result<Snapshot> of_v3) {
      list->of_v3 = std::move(of_v3);
      if (!*list->of_v3 || !(*list->of_v3)->config) {
        ask_v2(list);
        return conclude(*list);
      }
      choose(*v3_, "v3", "the configuration is there");
      answer(*list, *std::move(list->of_v3));
    });
  }

  void remaining_lives(std::vector<Record> records, Reply<RemainingLives> reply) override {
    active().remaining_lives(std::move(records), std::move(reply));
  }
  WatchHandle watch(Revision from, WatchListener listener) override;

  void create_if_absent(std::string key, std::string value, Ttl ttl,
                        Reply<WriteResult> reply) override {
    active().create_if_absent(std::move(key), std::move(value), ttl, std::move(reply));
  }
  void replace_if_unchanged(Record seen, std::string value, Ttl ttl,
                            Reply<WriteResult> reply) override {
    active().replace_if_unchanged(std::move(seen), std::move(value), ttl, std::move(reply));
  }
  void renew_if_unchanged(Record seen, Ttl ttl, Reply<WriteResult> reply) override {
    active().renew_if_unchanged(std::move(seen), ttl, std::move(reply));
  }
  void release_if_unchanged(Record seen, Reply<void> reply) override {
    active().release_if_unchanged(std::move(seen), std::move(reply));
  }
  void write_config(std::string text, Revision seen, Reply<Revision> reply) override {
    active().write_config(std::move(text), seen, std::move(reply));
  }
  void remove_config(Revision seen, Reply<void> reply) override {
    active().remove_config(seen, std::move(reply));
  }
  void list_networks(Reply<NetworkList> reply) override {
    active().list_networks(std::move(reply));
  }

 private:
  class UndecidedWatch;

  Registry* used() const { return chosen_ != nullptr ? chosen_ : expected_; }
  Registry& active() { return used() != nullptr ? *used() : *v3_; }

  void choose(Registry& registry, const char* api, const char* why) {
    if (chosen_) return;
    chosen_ = &registry;
    log::info("etcd API chosen", {{"api", api}, {"why", why}, {"store", registry.describe()}});
  }

  void ask_v2(const std::shared_ptr<PendingList>& list) {
    if (std::exchange(list->v2_is_asked, true)) return;
    v2_->snapshot([this, list](Result<Snapshot> of_v2) {
      list->of_v2 = std::move(of_v2);
      conclude(*list);
    });
  }

  static void answer(PendingList& list, Result<Snapshot> snapshot) {
    list.head_start.reset();
    if (std::exchange(list.replied, true)) return;
    list.reply(std::move(snapshot));
  }

  // Called when v3 has no configuration or does not answer.
  void conclude(PendingList& list) {
    if (!list.of_v3 || !list.of_v2 || list.replied) return;
    Result<Snapshot>& of_v3 = *list.of_v3;
    Result<Snapshot>& of_v2 = *list.of_v2;
    if (!of_v2 || !of_v2->config) return answer(list, combine_answers(std::move(of_v3), of_v2));
    if (!of_v3) return ask_for_v3(std::move(of_v3).error(), *std::move(of_v2), list.reply);
    choose(*v2_, "v2", "the configuration is there, and none under v3");
    answer(list, std::move(of_v2));
  }

  // There is a configuration under v2, but there may be one under v3 as well. v2 is chosen only if
  // the servers have no v3 API.
  void ask_for_v3(Error of_v3, Snapshot of_v2, const Reply<Snapshot>& reply) {
    ask_only_v2_([this, of_v3 = std::move(of_v3), of_v2 = std::move(of_v2),
                  reply](const Result<bool>& only_v2) {
      if (!only_v2 || !*only_v2) {
        return reply(fail(of_v3.kind, of_v3.text +
                                          "; a configuration is under v2 there: if it is the one, "
                                          "give --etcd-api=2"));
      }
      choose(*v2_, "v2", "the configuration is there, and this etcd has no v3");
      reply(of_v2);
    });
  }

  std::unique_ptr<Registry> v3_, v2_;
  std::function<void(Reply<bool>)> ask_only_v2_;
  Loop& loop_;
  Registry* chosen_ = nullptr;
  Registry* expected_ = nullptr;  // in its place until it is chosen
};

// Every member calls the listener as its last action, because the listener may destroy the watch.
class EtcdChoice::UndecidedWatch final : public Subscription {
 public:
  UndecidedWatch(EtcdChoice& choice, Revision from, WatchListener listener)
      : choice_(choice), listener_(std::move(listener)) {
    WatchListener of_v3 = listener_;
    of_v3.on_changes = [this](const std::vector<Change>& changes, Revision revision) {
      for (const Change& change : changes) {
        if (!std::holds_alternative<ConfigPut>(change)) continue;
        choice_.choose(*choice_.v3_, "v3", "the configuration has come there");
        timer_.cancel();
      }
      const auto on_changes = listener_.on_changes;
      on_changes(changes, revision);
    };
    v3_ = choice_.v3_->watch(from, std::move(of_v3));
    timer_.arm_after(kCheckV2Pause);
  }

 private:
  void check_v2() {
    choice_.v2_->snapshot(
        life_.guard([this](const Result<Snapshot>& of_v2) { on_v2_snapshot(of_v2); }));
  }

  void on_v2_snapshot(const Result<Snapshot>& of_v2) {
    if (choice_.chosen_) return;
    if (!of_v2 || !of_v2->config) return timer_.arm_after(kCheckV2Pause);
    choice_.choose(*choice_.v2_, "v2", "the configuration has come there");
    v3_.reset();
    const auto on_position_lost = listener_.on_position_lost;
    on_position_lost();
  }

  EtcdChoice& choice_;
  WatchListener listener_;
  WatchHandle v3_;
  Timer timer_{choice_.loop_, [this] { check_v2(); }};
  LifeToken life_;
};

WatchHandle EtcdChoice::watch(Revision from, WatchListener listener) {
  if (used() != nullptr) return used()->watch(from, std::move(listener));
  return std::make_unique<UndecidedWatch>(*this, from, std::move(listener));
}

}  // namespace

std::unique_ptr<Registry> open_etcd_choice(EtcdCandidates candidates, Loop& loop) {
  return std::make_unique<EtcdChoice>(std::move(candidates), loop);
}

}  // namespace flannel
