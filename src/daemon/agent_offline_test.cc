// SPDX-License-Identifier: Apache-2.0
// A start from what an earlier run knew, with and without the store.
#include <gmock/gmock.h>

#include "support/offline_agent.h"

namespace flannel::agent_offline_test {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;
using Texts = std::vector<std::string>;

TEST_F(AgentOfflineTest, AHostGoesOnWithoutItsStore) {
  run_once();
  boot(hours(1), true);
  start_without_store();
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(own_key(), own_);
  EXPECT_TRUE(has("10.5.9.0/24")) << kernel_.dump();
  EXPECT_TRUE(std::filesystem::exists(subnet_file()));
  EXPECT_THAT(all_problems(), HasSubstr("the lease ends at"));
  EXPECT_TRUE(agent_->ready());
  const TimePoint before = decode_kept_state(*kept_).value().state.lease.ends;
  EXPECT_LT(agent_->network()->keeper().expires(), before - minutes(59)) << "an hour has passed";
}

TEST_F(AgentOfflineTest, WhatHappenedMeanwhileComesWithTheStoreAndWithoutAList) {
  run_once();
  boot(hours(1), true);
  start_without_store();
  store_->put(kPrefix, "10.5.8.0-24", vxlan_peer("192.0.2.8"), seconds(86400), loop_.now());
  store_->remove(kPrefix, "10.5.9.0-24");
  store_->set_reachable(true);
  loop_.advance(seconds(30));
  EXPECT_TRUE(has("10.5.8.0/24")) << kernel_.dump();
  EXPECT_FALSE(has("10.5.9.0/24")) << kernel_.dump();
  EXPECT_EQ(lists(), 0U);
  EXPECT_EQ(agent_->network()->keeper().phase(), LeasePhase::active);
  EXPECT_THAT(all_problems(), Not(HasSubstr("the lease ends at")));
  EXPECT_TRUE(announces(R"("NodeID":")")) << record();
}

TEST_F(AgentOfflineTest, AfterItsLeaseHasEndedAHostWaits) {
  run_once();
  boot(hours(25), true);
  start_without_store();
  EXPECT_EQ(ready_, 0);
  EXPECT_EQ(agent_->network(), nullptr);
  EXPECT_THAT(agent_->problems(),
              testing::Contains(testing::Field(&Problem::text, HasSubstr("may be another's"))));
  store_->set_reachable(true);
  loop_.advance(seconds(30));
  EXPECT_EQ(ready_, 1);
  EXPECT_THAT(
      agent_->problems(),
      Not(testing::Contains(testing::Field(&Problem::text, HasSubstr("may be another's")))));
}

TEST_F(AgentOfflineTest, AHostWaitsUntilItsClockIsRight) {
  run_once();
  boot(-hours(3), false);
  start_without_store();
  loop_.advance(seconds(20));
  EXPECT_EQ(ready_, 0);
  clock_.wall += hours(4);
  clock_.by_server = true;
  loop_.advance(seconds(20));
  EXPECT_EQ(ready_, 1);
}

TEST_F(AgentOfflineTest, AHostThatWaitsForItsStoreDoes) {
  run_once();
  offline_start_ = false;
  start_without_store();
  loop_.advance(minutes(1));
  EXPECT_EQ(ready_, 0);
  store_->set_reachable(true);
  loop_.advance(seconds(11));
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(lists(), 0U) << "it goes on with what it knew all the same";
}

TEST_F(AgentOfflineTest, WithItsStoreAHostStartsWithoutAList) {
  run_once();
  store_->put(kPrefix, "10.5.8.0-24", vxlan_peer("192.0.2.8"), seconds(86400), loop_.now());
  start_agent();
  loop_.advance(StoreFollower::kGathered);
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(lists(), 0U);
  EXPECT_TRUE(agent_->network()->table().find(decode_subnet_key("10.5.8.0-24").value()));
}

TEST_F(AgentOfflineTest, AnOutageTakesNoHistoryAway) {
  run_once();
  start_agent();
  loop_.advance(seconds(20));
  store_->set_reachable(false);
  loop_.advance(hours(1));
  EXPECT_FALSE(decode_kept_state(*kept_)->state.history.empty());
  agent_.reset();
  start_without_store();
  loop_.advance(hours(1));
  ASSERT_TRUE(agent_->network());
  EXPECT_FALSE(decode_kept_state(*kept_)->state.history.empty());
}

TEST_F(AgentOfflineTest, ASmallNetworkIsListedAtEachStart) {
  run_once();
  few_leases_ = 2;
  start_agent();
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(lists(), 1U);
  few_leases_ = 1;
  start_agent();
  loop_.advance(StoreFollower::kGathered);
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(lists(), 0U);
}

TEST_F(AgentOfflineTest, AnotherConfigurationIsTheFirstThatIsUsedAndNeedsAList) {
  run_once();
  store_->put_config(kPrefix, kHostGw);
  std::string log;
  log::capture([&log](std::string_view line) { log += line; });
  start_agent();
  loop_.advance(StoreFollower::kGathered);
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(agent_->network()->config().backend_type, "host-gw");
  EXPECT_EQ(log.find("the network configuration has changed"), std::string::npos) << log;
  EXPECT_EQ(lists(), 1U);
}

TEST_F(AgentOfflineTest, ANetworkThatWasDeletedMeanwhileGoesOnUntilItIsLeft) {
  run_once();
  store_->remove_config(kPrefix);
  start_agent();
  loop_.advance(seconds(2));
  EXPECT_EQ(agent_->network(), nullptr) << "one that is not left waits for a configuration";
  leaves_deleted_ = true;
  for (const std::size_t few : {0, 1000}) {  // with the watch, and with a list alone
    few_leases_ = few;
    start_agent();
    loop_.advance(minutes(6));
    ASSERT_EQ(ready_, 1);
    EXPECT_EQ(own_key(), own_);
    EXPECT_TRUE(has("10.5.9.0/24")) << kernel_.dump();
    EXPECT_TRUE(agent_->is_config_gone());
  }
  agent_->withdraw(true);
  loop_.run_until_idle();
  EXPECT_TRUE(agent_->is_withdrawn());
  EXPECT_FALSE(kept_);
}

TEST_F(AgentOfflineTest, ADeletedNetworkInWhichAHostHasNoLeaseIsNotBegun) {
  run_once();
  store_->remove_config(kPrefix);
  store_->remove(kPrefix, own_);
  leaves_deleted_ = true;
  const auto kept = kept_;
  for (const std::size_t few : {0, 1000}) {  // with the watch, and with a list alone
    kept_ = kept;
    few_leases_ = few;
    start_agent();
    loop_.advance(seconds(2));
    EXPECT_EQ(agent_->network(), nullptr);
    EXPECT_TRUE(agent_->is_config_gone());
    EXPECT_FALSE(kept_);
  }
}

TEST_F(AgentOfflineTest, AHostThatHeardThatItsLeaseIsLostDoesNotGoOnWithIt) {
  run_once();
  store_->remove(kPrefix, own_);
  start_agent();
  loop_.advance(StoreFollower::kGathered / 2);
  ASSERT_EQ(agent_->network(), nullptr) << "what was missed is gathered still";
  store_->set_reachable(false);
  loop_.advance(seconds(20));
  EXPECT_EQ(ready_, 0);
  EXPECT_FALSE(kept_);
  EXPECT_THAT(all_problems(), HasSubstr("its lease has changed since"));
}

TEST_F(AgentOfflineTest, CommandsAreRunBeforeAHostGoesOn) {
  run_once(kExtension);
  boot(hours(1), true);
  start_without_store();
  EXPECT_EQ(shell_.running(), Texts{"pre"});
  loop_.advance(seconds(20));
  EXPECT_EQ(ready_, 0);
  EXPECT_THAT(all_problems(), HasSubstr("PreStartupCommand of its backend has not succeeded yet"));
  end("pre", {.output = "m2\n"});
  EXPECT_EQ(shell_.running(), Texts{"post " + own_subnet()});
  EXPECT_EQ(ready_, 0);
  end("post " + own_subnet());
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(shell_.running(), Texts{"add 10.5.9.0/24"});
  EXPECT_TRUE(announces(R"("BackendData":"m1")")) << "nothing can be written";
  store_->set_reachable(true);
  loop_.advance(seconds(30));
  EXPECT_TRUE(announces(R"("BackendData":"m2")")) << record();
  EXPECT_EQ(lists(), 0U);
}

TEST_F(AgentOfflineTest, WhatCommandsHaveMadeOnThisBootStays) {
  run_once(kExtension);
  start_without_store();
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(shell_.began(), Texts{"add 10.5.9.0/24"}) << "as at each start";
}

TEST_F(AgentOfflineTest, AStoreThatComesBackWhileTheFirstCommandRunsIsUsed) {
  run_once(kExtension);
  boot(hours(1), true);
  start_without_store();
  store_->remove(kPrefix, "10.5.9.0-24");
  store_->set_reachable(true);
  loop_.advance(seconds(30));
  EXPECT_EQ(shell_.began(), Texts{"pre"});
  end("pre", {.output = "m2\n"});
  EXPECT_TRUE(announces(R"("BackendData":"m2")")) << record();
  run_commands();
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(own_key(), own_);
  EXPECT_EQ(shell_.began(), Texts{"post " + own_subnet()});
}

TEST_F(AgentOfflineTest, ARecordWithOurAddressMayBeOfUseToTheNextRun) {
  run_once();
  start_agent();
  put("10.5.8.0-24",
      R"({"PublicIP":"192.0.2.1","BackendType":"vxlan","NodeID":"77777777777777777777777777777777/0000ffff"})");
  loop_.advance(minutes(6));
  EXPECT_TRUE(decode_kept_state(*kept_)->state.history.empty());
  remove("10.5.8.0-24");
  loop_.advance(minutes(6));
  EXPECT_FALSE(decode_kept_state(*kept_)->state.history.empty());
}

// They may be there, and only that list may be wrong.
TEST_F(AgentOfflineTest, WhileManyPeersAreMissingTheNextRunLists) {
  run_once();
  start_agent();
  const auto key = [](int number) { return fmt::format("10.5.{}.0-24", number); };
  for (int number = 20; number < 26; ++number)
    put(key(number), vxlan_peer(fmt::format("192.0.2.{}", number), fmt::format("{:02}", number)));
  loop_.advance(seconds(20));
  for (int number = 20; number < 26; ++number)
    store_->remove(kPrefix, key(number));
  remove(own_);  // so that it is kept soon
  loop_.advance(seconds(5));
  ASSERT_EQ(own_key(), own_);
  EXPECT_TRUE(decode_kept_state(*kept_)->state.history.empty());
  EXPECT_EQ(decode_kept_state(*kept_)->snapshot.records.size(), 8U) << "they are peers still";
  loop_.advance(minutes(7));
  EXPECT_FALSE(decode_kept_state(*kept_)->state.history.empty());
}

TEST_F(AgentOfflineTest, WithAConfigurationThatIsNotInForceTheNextRunLists) {
  run_once();
  start_agent();
  loop_.advance(seconds(2));
  configure("nonsense");
  put("10.5.8.0-24", vxlan_peer("192.0.2.8"));
  loop_.advance(minutes(6));
  EXPECT_TRUE(decode_kept_state(*kept_)->state.history.empty());
  EXPECT_EQ(decode_kept_state(*kept_)->state.config.text, kVxlan);
}

TEST_F(AgentOfflineTest, ALeaseThatAnotherHostHasTakenMeanwhileIsNotUsed) {
  run_once();
  store_->remove(kPrefix, own_);
  store_->put(kPrefix, own_, vxlan_peer("192.0.2.8"), seconds(86400), loop_.now());
  start_agent();
  loop_.advance(StoreFollower::kGathered);
  EXPECT_EQ(ready_, 1);
  EXPECT_NE(own_key(), own_);
  EXPECT_EQ(lists(), 1U);
}

TEST_F(AgentOfflineTest, AnotherHistoryIsListed) {
  run_once();
  store_->compact();
  start_agent();
  loop_.advance(StoreFollower::kGathered);
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(own_key(), own_);
  EXPECT_EQ(lists(), 1U);
}

TEST_F(AgentOfflineTest, WithAnotherAddressAHostWaits) {
  run_once();
  host_.interfaces[0].addresses[0].ip = IpAddress::v4(192, 0, 2, 77);
  host_.lookup_route = [](IpAddress) {
    return Result<RouteLookup>(RouteLookup{
        .interface_index = 2, .source = IpAddress::v4(192, 0, 2, 77), .gateway = std::nullopt});
  };
  start_without_store();
  loop_.advance(seconds(20));
  EXPECT_EQ(ready_, 0);
  EXPECT_THAT(agent_->problems(), testing::Contains(testing::Field(
                                      &Problem::text, HasSubstr("its lease is for 192.0.2.1"))));
  EXPECT_THAT(fatal_, "");
}

TEST_F(AgentOfflineTest, ADrainedHostKeepsNothing) {
  run_once();
  start_agent();
  agent_->follow_drain(DrainNote());
  loop_.advance(seconds(2));
  EXPECT_FALSE(kept_);
  agent_->follow_drain(std::nullopt);
  loop_.advance(seconds(2));
  EXPECT_TRUE(kept_);
}

TEST_F(AgentOfflineTest, ALeaseThatIsLostIsNotKept) {
  run_once();
  start_agent();
  loop_.advance(seconds(2));
  ASSERT_TRUE(kept_);
  put(own_, vxlan_peer("192.0.2.8"));
  EXPECT_FALSE(kept_);
}

TEST_F(AgentOfflineTest, WhatIsKnownIsKeptRarely) {
  run_once();
  start_agent();
  loop_.advance(minutes(30));  // with the list for comparison, after which the lease is renewed
  const int before = times_kept_;
  loop_.advance(hours(3));
  EXPECT_EQ(times_kept_, before) << "nothing has happened";
  for (int i = 0; i < 60; ++i) {
    put("10.5.8.0-24", vxlan_peer(fmt::format("192.0.2.{}", 20 + i)), seconds(86400));
    loop_.advance(seconds(10));
  }
  EXPECT_LE(times_kept_, before + 3);
  EXPECT_GE(times_kept_, before + 2);
}

TEST_F(AgentOfflineTest, AHostThatMovesBetweenStoresKeepsNothing) {
  run_once();
  start_agent();
  loop_.advance(seconds(2));
  ASSERT_TRUE(kept_);
  const auto other = std::make_shared<MemoryStore>();
  open_store_ = [&](const StoreAddress&) { return open_memory_registry(other, kPrefix, loop_); };
  configure(
      R"({"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"},"MovedTo":{"Id":"3f0c","Store":"etcd3:http://192.0.2.7:2379"}})");
  loop_.advance(seconds(2));
  EXPECT_FALSE(kept_);
}

}  // namespace
}  // namespace flannel::agent_offline_test
