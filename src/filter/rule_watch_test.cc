// SPDX-License-Identifier: Apache-2.0
#include "filter/rule_watch.h"

#include <gtest/gtest.h>

#include "loop/epoll_loop.h"
#include "support/fresh_netns.h"

namespace flannel::rule_watch_test {
namespace {

class RuleWatchTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (IsSkipped()) return;
    shell("iptables-nft -P FORWARD ACCEPT; iptables-nft -N X");
    auto opened = RuleWatch::open(
        *loop_,
        [this](const RuleChange& change) {
          if (change.family == Family::v6) reports_ += "IPv6 ";
          reports_ += std::string(change.table) + "/" + std::string(change.chain) + "\n";
          return change.chain == ours_;  // after true it is not called again in this turn
        },
        [this] { ++changes_; });
    if (!opened) throw std::runtime_error(opened.error().text);
    watch_ = *std::move(opened);
  }

  // The changes reported for `command`, which changes rules.
  std::string reports_of(const std::string& command) {
    reports_.clear();
    changes_ = 0;
    shell(command);
    // Notifications are queued by the time a change returns, so one turn is enough.
    const auto stop = loop_->at(loop_->now(), [this] { loop_->stop(); });
    EXPECT_TRUE(loop_->run());
    return reports_;
  }

  std::unique_ptr<EpollLoop> loop_ = EpollLoop::open().value();
  std::unique_ptr<RuleWatch> watch_;
  std::string ours_ = "FORWARD";
  std::string reports_;
  int changes_ = 0;
};

TEST_F(RuleWatchTest, ReportsTheChainOfAnAddedOrDeletedRule) {
  EXPECT_EQ(reports_of("nft add rule ip filter FORWARD drop"), "filter/FORWARD\n");
  EXPECT_EQ(changes_, 1);
  EXPECT_EQ(reports_of("nft flush chain ip filter FORWARD"), "filter/FORWARD\n");
  EXPECT_EQ(changes_, 1);
}

TEST_F(RuleWatchTest, ChangesByIptablesOverNftablesAreReported) {
  reports_of("iptables-nft -t nat -A POSTROUTING -j ACCEPT");
  EXPECT_NE(reports_.find("nat/POSTROUTING\n"), std::string::npos) << reports_;
  EXPECT_EQ(reports_of("iptables-nft -P FORWARD DROP"), "filter/FORWARD\n")
      << "a policy is a change of its chain";
}

TEST_F(RuleWatchTest, AFlushOfAllRulesIsReported) {
  ours_ = "nothing";
  reports_of("nft flush ruleset");
  EXPECT_NE(reports_.find("filter/\n"), std::string::npos) << reports_;
  EXPECT_NE(reports_.find("filter/FORWARD\n"), std::string::npos) << reports_;
}

TEST_F(RuleWatchTest, ChangesOfForeignTablesAreNotReported) {
  EXPECT_EQ(reports_of("nft add rule ip filter X drop"), "filter/X\n");
  EXPECT_EQ(changes_, 0);
  EXPECT_EQ(reports_of("nft add table inet filter; nft add table bridge filter"), "");
}

TEST_F(RuleWatchTest, TheFamilyOfATableIsReported) {
  reports_of("ip6tables-nft -P FORWARD DROP");
  EXPECT_NE(reports_.find("IPv6 filter/FORWARD\n"), std::string::npos) << reports_;
  EXPECT_EQ(reports_of("nft 'add table ip6 flannel'"), "IPv6 flannel/\n");
}

// More than the queue holds, as a Kubernetes node does when it starts.
TEST_F(RuleWatchTest, LostNotificationsCountAsAChange) {
  const std::string many =
      "for i in $(seq 20000); do echo \"add rule ip filter X tcp dport $i accept\"; done";
  reports_of("(" + many + ") | nft -f -");
  EXPECT_EQ(changes_, 1);
}

}  // namespace
}  // namespace flannel::rule_watch_test
