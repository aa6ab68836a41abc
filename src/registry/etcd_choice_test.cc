// SPDX-License-Identifier: Apache-2.0
// Two memory stores stand in for the two APIs.
#include "registry/etcd_choice.h"

#include <gtest/gtest.h>

#include <optional>

#include "registry/memory/memory_registry.h"
#include "support/manual_loop.h"

namespace flannel::etcd_choice_test {
namespace {

constexpr const char* kPrefix = "/coreos.com/network";

// Fails while the test says so.
class FailingLists final : public Registry {
 public:
  FailingLists(std::unique_ptr<Registry> real, const std::optional<Error>& error)
      : real_(std::move(real)), error_(error) {}
  std::string describe() const override { return real_->describe(); }
  std::string config_key() const override { return real_->config_key(); }
  void snapshot(Reply<Snapshot> reply) override {
    real_->snapshot([reply = std::move(reply), this](Result<Snapshot> all) {
      if (error_) all = tl::unexpected(*error_);
      reply(std::move(all));
    });
  }
  void remaining_lives(std::vector<Record> records, Reply<RemainingLives> reply) override {
    real_->remaining_lives(std::move(records), std::move(reply));
  }
  WatchHandle watch(Revision from, WatchListener listener) override {
    return real_->watch(from, std::move(listener));
  }
  void create_if_absent(std::string key, std::string value, Ttl ttl,
                        Reply<WriteResult> reply) override {
    real_->create_if_absent(std::move(key), std::move(value), ttl, std::move(reply));
  }
  void replace_if_unchanged(Record seen, std::string value, Ttl ttl,
                            Reply<WriteResult> reply) override {
    real_->replace_if_unchanged(std::move(seen), std::move(value), ttl, std::move(reply));
  }
  void renew_if_unchanged(Record seen, Ttl ttl, Reply<WriteResult> reply) override {
    real_->renew_if_unchanged(std::move(seen), ttl, std::move(reply));
  }
  void release_if_unchanged(Record seen, Reply<void> reply) override {
    real_->release_if_unchanged(std::move(seen), std::move(reply));
  }
  void write_config(std::string text, Revision seen, Reply<Revision> reply) override {
    real_->write_config(std::move(text), seen, std::move(reply));
  }
  void remove_config(Revision seen, Reply<void> reply) override {
    real_->remove_config(seen, std::move(reply));
  }
  void list_networks(Reply<NetworkList> reply) override { real_->list_networks(std::move(reply)); }

 private:
  std::unique_ptr<Registry> real_;
  const std::optional<Error>& error_;
};

class EtcdChoiceTest : public ::testing::Test {
 protected:
  // The text of the configuration, "none", or why the snapshot failed.
  std::string config() {
    std::string text;
    registry->snapshot([&](const Result<Snapshot>& all) {
      text = !all ? all.error().text : all->config ? all->config->text : "none";
    });
    loop.run_until_idle();
    return text;
  }

  void watch() {
    handle = registry->watch(1, {.on_changes =
                                     [this](const std::vector<Change>& changes, Revision) {
                                       for (const Change& change : changes) {
                                         if (const auto* put = std::get_if<ConfigPut>(&change)) {
                                           reports += "config " + put->config.text + " ";
                                         }
                                       }
                                     },
                                 .on_position_lost = [this] { reports += "lost "; },
                                 .on_disconnected = [this](const Error&) { reports += "away "; }});
  }

  ManualLoop loop;
  std::shared_ptr<MemoryStore> v3 = std::make_shared<MemoryStore>();
  std::shared_ptr<MemoryStore> v2 = std::make_shared<MemoryStore>();
  std::optional<Error> v2_fails;
  Result<bool> only_v2 = false;
  std::unique_ptr<Registry> registry = open_etcd_choice(
      {open_memory_registry(v3, kPrefix, loop),
       std::make_unique<FailingLists>(open_memory_registry(v2, kPrefix, loop), v2_fails),
       [this](const Reply<bool>& reply) { reply(only_v2); }},
      loop);
  WatchHandle handle;
  std::string reports;
};

TEST_F(EtcdChoiceTest, TheConfigurationUnderV3Wins) {
  v3->put_config(kPrefix, "{3}");
  v2->put_config(kPrefix, "{2}");
  EXPECT_EQ(config(), "{3}");
}

TEST_F(EtcdChoiceTest, WithoutOneUnderV3ThatOfV2IsTaken) {
  v2->put_config(kPrefix, "{2}");
  EXPECT_EQ(config(), "{2}");
  v3->put_config(kPrefix, "{3}");
  EXPECT_EQ(config(), "{2}") << "once chosen it stays";
}

TEST_F(EtcdChoiceTest, TheLeaseGoesWhereTheConfigurationIs) {
  v2->put_config(kPrefix, "{2}");
  config();
  registry->create_if_absent("10.5.1.0-24", "x", {},
                             [](const Result<WriteResult>& held) { EXPECT_TRUE(held); });
  loop.run_until_idle();
  EXPECT_EQ(v2->snapshot(kPrefix).records.size(), 1U);
  EXPECT_TRUE(v3->snapshot(kPrefix).records.empty());
}

TEST_F(EtcdChoiceTest, TheHistoryThatIsExpectedIsTheOneThatIsWatchedUntilAListDecides) {
  EXPECT_FALSE(registry->repeats_history());
  EXPECT_EQ(registry->history_name(), "");
  v2->put_config(kPrefix, "{2}");
  registry->expect_history("v2");
  EXPECT_TRUE(registry->repeats_history());
  EXPECT_EQ(registry->history_name(), "v2");
  watch();
  v2->put_config(kPrefix, "{22}");
  loop.run_until_idle();
  EXPECT_NE(reports.find("config {22} "), std::string::npos) << reports;
  v3->put_config(kPrefix, "{3}");
  loop.advance(std::chrono::seconds(60));
  EXPECT_EQ(reports.find("lost"), std::string::npos) << reports;
  EXPECT_EQ(config(), "{3}") << "a list asks both";
  EXPECT_EQ(registry->history_name(), "v3");
}

TEST_F(EtcdChoiceTest, TheHistoryThatIsProvenIsChosen) {
  v2->put_config(kPrefix, "{2}");
  v3->put_config(kPrefix, "{3}");
  registry->use_expected_history();
  EXPECT_EQ(registry->history_name(), "") << "none was expected";
  registry->expect_history("v2");
  registry->use_expected_history();
  EXPECT_EQ(config(), "{2}");
}

TEST_F(EtcdChoiceTest, AConfigurationThatAppearsUnderV3IsReported) {
  EXPECT_EQ(config(), "none");
  watch();
  v3->put_config(kPrefix, "{3}");
  loop.run_until_idle();
  EXPECT_EQ(reports, "config {3} ");
  v2->put_config(kPrefix, "{2}");
  loop.advance(std::chrono::seconds(60));
  EXPECT_EQ(reports, "config {3} ");
  EXPECT_EQ(config(), "{3}");
}

TEST_F(EtcdChoiceTest, AConfigurationThatComesUnderV2IsFound) {
  EXPECT_EQ(config(), "none");
  watch();
  loop.advance(std::chrono::seconds(60));
  EXPECT_EQ(reports, "");
  v2->put_config(kPrefix, "{2}");
  loop.advance(std::chrono::seconds(3));
  EXPECT_EQ(reports, "lost ");
  EXPECT_EQ(config(), "{2}");
}

TEST_F(EtcdChoiceTest, ADroppedWatchLooksNoFurther) {
  EXPECT_EQ(config(), "none");
  watch();
  handle.reset();
  v2->put_config(kPrefix, "{2}");
  loop.advance(std::chrono::seconds(60));
  EXPECT_EQ(reports, "");
}

TEST_F(EtcdChoiceTest, WithoutV2InTheServersV3IsAllThereIs) {
  v2_fails = Error{ErrorKind::unsupported, "there is no v2 API here"};
  EXPECT_EQ(config(), "none");
  v3->put_config(kPrefix, "{3}");
  EXPECT_EQ(config(), "{3}");
}

// "There is none" would send an operator to write one to v3, beside the one under v2.
TEST_F(EtcdChoiceTest, AFailureUnderV2IsNotReadAsEmpty) {
  v2_fails = Error{ErrorKind::invalid, "too long"};
  EXPECT_EQ(config(),
            "v3 has no configuration, and whether v2 has one is not known: too long (--etcd-api=3 "
            "does without v2)");
  v3->put_config(kPrefix, "{3}");
  EXPECT_EQ(config(), "{3}");
}

TEST_F(EtcdChoiceTest, TheErrorHasTheReasonsOfBoth) {
  v3->set_reachable(false);
  const std::string of_v3 = config();
  EXPECT_TRUE(of_v3.ends_with("; under v2 there is no configuration")) << of_v3;
  const std::string why = of_v3.substr(0, of_v3.find(';'));
  v2_fails = Error{ErrorKind::unavailable, "gone fishing"};
  EXPECT_EQ(config(), "v3: " + why + "; v2: gone fishing");
  v2_fails = Error{ErrorKind::unavailable, why};
  EXPECT_EQ(config(), why) << "the same once";
  v2_fails = Error{ErrorKind::unsupported, "there is no v2 API here"};
  EXPECT_EQ(config(), why);
}

TEST_F(EtcdChoiceTest, WhileV3IsUnreachableAConfigurationUnderV2DecidesNothing) {
  v2->put_config(kPrefix, "{2}");
  v3->set_reachable(false);
  EXPECT_NE(config(), "{2}");
  EXPECT_TRUE(
      config().ends_with("; a configuration is under v2 there: if it is the one, give "
                         "--etcd-api=2"))
      << config();
  only_v2 = fail(ErrorKind::unavailable, "away");
  EXPECT_NE(config(), "{2}");
  v3->set_reachable(true);
  v3->put_config(kPrefix, "{3}");
  EXPECT_EQ(config(), "{3}");
}

TEST_F(EtcdChoiceTest, AnEtcdWithoutV3IsSpokenToByV2) {
  v2->put_config(kPrefix, "{2}");
  v3->set_reachable(false);
  only_v2 = true;
  EXPECT_EQ(config(), "{2}");
}

}  // namespace
}  // namespace flannel::etcd_choice_test
