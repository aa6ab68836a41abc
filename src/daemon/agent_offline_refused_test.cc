// SPDX-License-Identifier: Apache-2.0
// What a host does not go on with while its store is away, whatever is in its file.
#include <gmock/gmock.h>

#include "support/offline_agent.h"

namespace flannel::agent_offline_refused_test {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr const char* kMovedTo =
    R"({"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"},"MovedTo":{"Id":"3f0c","Store":"etcd3:http://192.0.2.7:2379"}})";

class AgentOfflineRefusedTest : public AgentOfflineTest {
 protected:
  // The file says something else.
  template <typename Change>
  void change_kept(Change change) {
    KeptState state = decode_kept_state(*kept_).value().state;
    change(state);
    kept_ = encode_kept_state(state, {});
  }
  void expect_waits(const std::string& because) {
    start_without_store();
    loop_.advance(seconds(20));
    EXPECT_EQ(ready_, 0);
    EXPECT_EQ(agent_->network(), nullptr);
    EXPECT_THAT(all_problems(), HasSubstr(because));
  }
};

TEST_F(AgentOfflineRefusedTest, WhatIsOfAnotherNodeIsNotUsed) {
  run_once();
  change_kept([](KeptState& state) { state.node.bytes[0] = 99; });
  expect_waits("");
  store_->set_reachable(true);
  loop_.advance(seconds(30));
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(lists(), 1U);
}

TEST_F(AgentOfflineRefusedTest, ALeaseThatNamesAnotherNodeIsNotUsed) {
  run_once();
  change_kept([](KeptState& state) {
    const std::string name = R"("NodeID":")";
    std::string& value = state.lease.record.value;
    value.replace(value.find(name) + name.size(), 4, "7777");
  });
  expect_waits("another node, or nobody known, has written its lease");
}

TEST_F(AgentOfflineRefusedTest, NothingIsUsedWhileTheClusterMoves) {
  run_once();
  change_kept([](KeptState& state) { state.config.text = kMovedTo; });
  expect_waits("the cluster was moving to another store");
}

TEST_F(AgentOfflineRefusedTest, AHostThatIsDrainedWhileItWaitsDoesNotGoOn) {
  run_once();
  boot(hours(1), false);
  expect_waits("its clock may be wrong");
  agent_->follow_drain(DrainNote());
  EXPECT_FALSE(kept_);
  clock_.by_server = true;
  loop_.advance(seconds(20));
  EXPECT_EQ(agent_->network(), nullptr);
}

TEST_F(AgentOfflineRefusedTest, AMoveThatBeginsLaterIsFollowed) {
  run_once();
  start_without_store();
  ASSERT_EQ(ready_, 1);
  const auto other = std::make_shared<MemoryStore>();
  int opened = 0;
  open_store_ = [&](const StoreAddress&) {
    ++opened;
    return open_memory_registry(other, kPrefix, loop_);
  };
  store_->put_config(kPrefix, kMovedTo);
  store_->set_reachable(true);
  loop_.advance(seconds(30));
  EXPECT_EQ(opened, 1);
  EXPECT_FALSE(kept_);
}

}  // namespace
}  // namespace flannel::agent_offline_refused_test
