// SPDX-License-Identifier: Apache-2.0
// Two memory stores stand in for the two APIs.
#include "registry/etcd_choice.h"

#include <gtest/gtest.h>

#include <optional>

#include "registry/memory/memory_registry.h"
#include "support/manual_loop.h"

namespace flannel {
namespace {

constexpr const char* kPrefix = "/coreos.com/network";

class EtcdChoiceTest : public ::testing::Test {
 protected:
  // The text of the configuration, "none", or why the snapshot failed.
  std::string config() {
    std::string text;
    registry->snapshot([&](const Result<Snapshot>& all) {
      text = !all ? all.error().text : all->config ? all->config->text : "none";
    });
    loop.settle();
    return text;
  }

  void watch() {
    handle = registry->watch(1, {.on_changes =
                                     [this](const std::vector<Change>& changes, Revision) {
                                       for (const Change& change : changes) {
                                         if (const auto* put = std::get_if<ConfigPut>(&change)) {
                                           heard += "config " + put->config.text + " ";
                                         }
                                       }
                                     },
                                 .on_position_lost = [this] { heard += "lost "; },
                                 .on_disconnected = [this](const Error&) { heard += "away "; }});
  }

  ManualLoop loop;
  std::shared_ptr<MemoryStore> v3 = std::make_shared<MemoryStore>();
  std::shared_ptr<MemoryStore> v2 = std::make_shared<MemoryStore>();
  Result<bool> only_v2 = false;
  std::unique_ptr<Registry> registry = open_etcd_choice(
      {open_memory_registry(v3, kPrefix, loop), open_memory_registry(v2, kPrefix, loop),
       [this](const Reply<bool>& reply) { reply(only_v2); }},
      loop);
  WatchHandle handle;
  std::string heard;
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
                             [](const Result<Held>& held) { EXPECT_TRUE(held); });
  loop.settle();
  EXPECT_EQ(v2->snapshot(kPrefix).records.size(), 1U);
  EXPECT_TRUE(v3->snapshot(kPrefix).records.empty());
}

TEST_F(EtcdChoiceTest, AConfigurationThatComesUnderV3IsHeard) {
  EXPECT_EQ(config(), "none");
  watch();
  v3->put_config(kPrefix, "{3}");
  loop.settle();
  EXPECT_EQ(heard, "config {3} ");
  v2->put_config(kPrefix, "{2}");
  loop.advance(std::chrono::seconds(60));
  EXPECT_EQ(heard, "config {3} ");
  EXPECT_EQ(config(), "{3}");
}

TEST_F(EtcdChoiceTest, AConfigurationThatComesUnderV2IsFound) {
  EXPECT_EQ(config(), "none");
  watch();
  loop.advance(std::chrono::seconds(60));
  EXPECT_EQ(heard, "");
  v2->put_config(kPrefix, "{2}");
  loop.advance(std::chrono::seconds(3));
  EXPECT_EQ(heard, "lost ");
  EXPECT_EQ(config(), "{2}");
}

TEST_F(EtcdChoiceTest, ADroppedWatchLooksNoFurther) {
  EXPECT_EQ(config(), "none");
  watch();
  handle.reset();
  v2->put_config(kPrefix, "{2}");
  loop.advance(std::chrono::seconds(60));
  EXPECT_EQ(heard, "");
}

TEST_F(EtcdChoiceTest, WithoutV2InTheServersV3IsAllThereIs) {
  v2->set_reachable(false);
  EXPECT_EQ(config(), "none");
  v3->put_config(kPrefix, "{3}");
  EXPECT_EQ(config(), "{3}");
}

TEST_F(EtcdChoiceTest, WhileV3IsAwayAConfigurationUnderV2SettlesNothing) {
  v2->put_config(kPrefix, "{2}");
  v3->set_reachable(false);
  EXPECT_NE(config(), "{2}");
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
}  // namespace flannel
