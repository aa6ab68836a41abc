// SPDX-License-Identifier: Apache-2.0
#include "daemon/network_roster.h"

#include <gtest/gtest.h>

#include "registry/memory/memory_registry.h"
#include "support/manual_loop.h"

namespace flannel::network_roster_test {
namespace {

using Names = std::set<std::string>;
using std::chrono::seconds;

constexpr const char* kPrefix = "/net";

class NetworkRosterTest : public ::testing::Test {
 protected:
  void make(const std::string& name) { store_->put_config("/net/" + name, "{}"); }
  void remove(const std::string& name) { store_->remove_config("/net/" + name); }
  void list() {
    roster_.list();
    loop_.run_until_idle();
  }
  std::vector<std::string> codes() const {
    std::vector<std::string> codes;
    for (const Problem& problem : roster_.problems())
      codes.emplace_back(problem.kind->code);
    return codes;
  }

  ManualLoop loop_;
  std::shared_ptr<MemoryStore> store_ = std::make_shared<MemoryStore>();
  std::unique_ptr<Registry> registry_ = open_memory_registry(store_, kPrefix, loop_);
  int lists_ = 0;
  NetworkRoster roster_{{.loop = loop_,
                         .store = *registry_,
                         .random = [](std::uint64_t bound) { return bound - 1; },
                         .on_list = [this] { ++lists_; },
                         .on_state = [] {}}};
};

TEST_F(NetworkRosterTest, ItListsAgainAndAgainWithAPause) {
  EXPECT_FALSE(roster_.has_listed());
  list();
  EXPECT_TRUE(roster_.has_listed());
  EXPECT_EQ(roster_.names(), Names{});
  make("blue");
  loop_.advance(NetworkRoster::kPause);
  EXPECT_EQ(lists_, 1) << "half as much again is added";
  loop_.advance(NetworkRoster::kPause / 2);
  EXPECT_EQ(lists_, 2);
  EXPECT_EQ(roster_.names(), Names{"blue"});
}

TEST_F(NetworkRosterTest, ANetworkIsGoneWhenTwoListsInARowLackIt) {
  make("blue");
  make("green");
  list();
  EXPECT_FALSE(roster_.is_gone("blue"));
  remove("blue");
  list();
  EXPECT_EQ(roster_.names(), Names{"green"});
  EXPECT_FALSE(roster_.is_gone("blue")) << "one list alone";
  make("blue");
  list();
  remove("blue");
  list();
  EXPECT_FALSE(roster_.is_gone("blue")) << "it has been there in between";
  list();
  EXPECT_TRUE(roster_.is_gone("blue"));
  EXPECT_FALSE(roster_.is_gone("green"));
}

TEST_F(NetworkRosterTest, ANetworkOfAnEarlierRunIsGoneLikeAnyOther) {
  NetworkRoster next({.loop = loop_,
                      .store = *registry_,
                      .random = [](std::uint64_t) { return 0; },
                      .on_list = [] {},
                      .on_state = [] {},
                      .known = {"blue"}});
  EXPECT_FALSE(next.is_gone("blue"));
  next.list();
  loop_.run_until_idle();
  EXPECT_FALSE(next.is_gone("blue")) << "one list alone";
  next.list();
  loop_.run_until_idle();
  EXPECT_TRUE(next.is_gone("blue"));
}

TEST_F(NetworkRosterTest, AFailureSaysNothingOfAnyNetwork) {
  make("blue");
  list();
  store_->set_reachable(false);
  list();
  list();
  EXPECT_EQ(codes(), std::vector<std::string>{"networks-unlisted"});
  EXPECT_EQ(roster_.names(), Names{"blue"});
  EXPECT_FALSE(roster_.is_gone("blue"));
  EXPECT_EQ(lists_, 1);
  store_->set_reachable(true);
  remove("blue");
  loop_.advance(seconds(5));
  EXPECT_EQ(lists_, 2) << "after a failure the next attempt comes sooner";
  EXPECT_FALSE(roster_.is_gone("blue"));
  EXPECT_TRUE(codes().empty());
}

TEST_F(NetworkRosterTest, AStoreThatStaysAwayIsAskedLessAndLess) {
  store_->set_reachable(false);
  list();
  loop_.advance(std::chrono::minutes(10));
  store_->set_reachable(true);
  EXPECT_EQ(lists_, 0);
  EXPECT_FALSE(roster_.has_listed());
  loop_.advance(seconds(30));
  EXPECT_EQ(lists_, 2);
}

TEST_F(NetworkRosterTest, NamesThatNoNetworkCanHaveAreProblems) {
  make("blue");
  make("a b");
  list();
  EXPECT_EQ(roster_.names(), Names{"blue"});
  ASSERT_EQ(codes(), std::vector<std::string>{"network-name-unusable"});
  EXPECT_EQ(roster_.problems()[0].object, "a b");
  for (int i = 0; i < 20; ++i)
    make("x " + std::string(200, 'y') + std::to_string(i));
  list();
  EXPECT_EQ(codes().size(), NetworkRoster::kMostUnusable + 1);
  EXPECT_EQ(roster_.problems().back().others, 11U);
  EXPECT_LT(roster_.problems()[1].text.size(), 300U);
  remove("a b");
}

}  // namespace
}  // namespace flannel::network_roster_test
