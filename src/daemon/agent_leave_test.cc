// SPDX-License-Identifier: Apache-2.0
// An agent whose network is gone from the store: what uses it, and what is left of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "support/agent_fixture.h"

namespace flannel::agent_leave_test {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

class AgentLeaveTest : public AgentTest {
 protected:
  void begin(const char* config) {
    before_ = kernel_.dump();
    put("10.5.8.0-24", peer_value("192.0.2.8"));
    put("10.5.9.0-24", peer_value("192.0.2.9", "vxlan"));
    configure(config);
    ASSERT_EQ(ready_, 1);
    key_ = own_key();
  }
  void forget_config() {
    store_->remove_config(kPrefix);
    loop_.run_until_idle();
  }
  void withdraw(bool leaves) {
    agent_->withdraw(leaves);
    loop_.run_until_idle();
  }
  bool has_record() const {
    const auto records = store_->snapshot(kPrefix).records;
    return std::ranges::find(records, key_, &Record::key) != records.end();
  }
  void leave() {
    agent_->network()->leave();
    loop_.run_until_idle();
  }

  std::string before_;  // the kernel without us
  std::string key_;
};

TEST_F(AgentLeaveTest, TheConfigurationIsGoneOnlyWhenTheStoreSaysSo) {
  begin(kHostGw);
  EXPECT_FALSE(agent_->is_config_gone());
  store_->set_reachable(false);
  loop_.advance(hours(1));
  EXPECT_FALSE(agent_->is_config_gone());
  store_->set_reachable(true);
  loop_.advance(seconds(60));
  EXPECT_FALSE(agent_->is_config_gone());
  forget_config();
  EXPECT_TRUE(agent_->is_config_gone());
  store_->set_reachable(false);
  loop_.advance(hours(1));
  EXPECT_FALSE(agent_->is_config_gone()) << "it may be there again";
}

TEST_F(AgentLeaveTest, TheLeaseIsGivenUpAndTakenAgain) {
  begin(kVxlan);
  const std::string kernel = kernel_.dump();
  forget_config();
  EXPECT_FALSE(agent_->is_withdrawn());
  withdraw(true);
  EXPECT_TRUE(agent_->is_withdrawn());
  EXPECT_FALSE(has_record());
  EXPECT_EQ(kernel_.dump(), kernel);
  agent_->follow_drain(DrainNote{.since = "now", .by = "root"});
  withdraw(false);
  EXPECT_FALSE(has_record()) << "the host is drained still";
  agent_->follow_drain(std::nullopt);
  loop_.run_until_idle();
  EXPECT_TRUE(has_record());
}

TEST_F(AgentLeaveTest, NothingOfTheNetworkIsLeft) {
  for (const char* config : {kHostGw, kVxlan, kUdp}) {
    ready_ = 0;
    ip_blackhole_route_ = true;
    rules_.left = false;
    path_.retired = 0;
    start_agent();
    begin(config);
    ASSERT_NE(kernel_.dump(), before_) << config;
    withdraw(true);
    EXPECT_FALSE(agent_->network()->has_left());
    leave();
    EXPECT_EQ(kernel_.dump(), before_) << config;
    EXPECT_FALSE(std::filesystem::exists(subnet_file()));
    EXPECT_TRUE(rules_.left);
    EXPECT_EQ(path_.retired, config == kUdp ? 1 : 0);
    EXPECT_TRUE(agent_->network()->has_left());
    // What still happens makes nothing again.
    put("10.5.11.0-24", peer_value("192.0.2.11"));
    agent_->refresh();
    configure(kHostGw);
    agent_->set_software_checksums(true);
    loop_.advance(hours(1));
    EXPECT_EQ(kernel_.dump(), before_) << config;
    EXPECT_FALSE(std::filesystem::exists(subnet_file()));
    remove("10.5.11.0-24");
    forget_config();
    agent_.reset();
  }
}

TEST_F(AgentLeaveTest, WhatCannotBeRemovedIsTriedAgain) {
  begin(kVxlan);
  withdraw(true);
  kernel_.refuse("flannel.1", {ErrorKind::system, "busy"});
  leave();
  EXPECT_FALSE(agent_->network()->has_left());
  kernel_.heal();
  loop_.advance(seconds(60));
  EXPECT_TRUE(agent_->network()->has_left());
  EXPECT_EQ(kernel_.dump(), before_);
}

TEST_F(AgentLeaveTest, ABridgeOrARouteOfOurSubnetUsesIt) {
  begin(kHostGw);
  EXPECT_EQ(agent_->network()->used_by(), std::nullopt);
  const IpPrefix subnet = agent_->network()->keeper().lease()->subnet.identity();
  traffic_[Family::v4].bridges = {"br0"};
  EXPECT_EQ(agent_->network()->used_by(), "the device br0 has an address in " + to_string(subnet));
  traffic_[Family::v4].bridges.clear();
  traffic_[Family::v4].routes = {{.to = IpPrefix::parse("10.5.9.0/24").value(), .device = "eth0"}};
  EXPECT_EQ(agent_->network()->used_by(), std::nullopt) << "of a peer's";
  traffic_[Family::v4].routes = {{.to = {subnet.base, 32}, .device = "veth1"}};
  EXPECT_EQ(agent_->network()->used_by(), "another program routes " + to_string(subnet.base) +
                                              "/32 of " + to_string(subnet) +
                                              " to the device veth1");
  unreadable_ = "no netlink";
  EXPECT_EQ(agent_->network()->used_by(), "the host cannot be read: no netlink");
}

}  // namespace
}  // namespace flannel::agent_leave_test
