// SPDX-License-Identifier: Apache-2.0
// What the agent waits for, and what it makes of a configuration that others wrote.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/agent_fixture.h"

namespace flannel::agent_config_test {
namespace {

TEST_F(AgentTest, WaitsForTheConfigurationAndStartsWhenItComes) {
  EXPECT_EQ(agent_->network(), nullptr);
  EXPECT_NE(only_problem().find("config: there is none"), std::string::npos) << only_problem();
  configure(kHostGw);
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(AgentTest, WaitsForABrokenConfigurationToBeCorrected) {
  configure(R"({"Network":"10.5.0.0/31"})");
  EXPECT_EQ(ready_, 0);
  EXPECT_EQ(fatal_, "");
  EXPECT_NE(only_problem().find("Network"), std::string::npos) << only_problem();
  configure(kHostGw);
  EXPECT_EQ(ready_, 1);
}

// If the daemon exited, systemd would start it every two seconds until the configuration is valid.
TEST_F(AgentTest, WaitsForAConfigurationWithAnImpossibleBackendToBeCorrected) {
  for (const char* backend :
       {R"({"Type":"teleport"})", R"({"Type":"wireguard","Fallback":"vxlan"})",
        R"({"Type":"vxlan","VNI":20000000})", R"({"Type":"vxlan","MTU":9})",
        R"({"Type":"udp","Port":70000})", R"({"Type":"vxlan","VNI":"7"})"}) {
    configure(std::string(R"({"Network":"10.5.0.0/16","Backend":)") + backend + "}");
    EXPECT_EQ(fatal_, "") << backend;
    EXPECT_TRUE(only_problem().ends_with("; remedy: correct it with \"flannelctl config set\""))
        << only_problem();
    EXPECT_EQ(kernel_.dump(), "");
  }
  EXPECT_NE(only_problem().find("VNI"), std::string::npos) << only_problem();
  configure(kHostGw);
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(AgentTest, WithoutTheRightToProgramTheKernelOnlyAllocRuns) {
  powerless_ = "CAP_NET_ADMIN is missing";
  const auto start_with = [this](const std::string& type) {
    store_->put_config(kPrefix, R"({"Network":"10.5.0.0/16","Backend":{"Type":")" + type + "\"}}");
    start_agent();
  };
  for (const char* type : {"vxlan", "host-gw", "udp"}) {
    start_with(type);
    EXPECT_EQ(fatal_, powerless_) << type;
    EXPECT_EQ(agent_->network(), nullptr) << "no lease is asked for";
  }
  start_with("alloc");
  EXPECT_EQ(fatal_, "");
  EXPECT_EQ(ready_, 1);
}

TEST_F(AgentTest, AReservationOutsideOfTheNetworkStays) {
  put("10.6.9.0-24", peer_value("192.0.2.1"));
  std::string said;
  log::capture([&](std::string_view line) { said.append(line).append("\n"); });
  configure(kHostGw);
  log::capture({});
  EXPECT_NE(said.find("reserved=10.6.9.0/24"), std::string::npos) << said;
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(own_key(), "10.5.1.0-24");
  const auto there = store_->snapshot(kPrefix);
  EXPECT_EQ(std::ranges::count(there.records, "10.6.9.0-24", &Record::key), 1);
}

}  // namespace
}  // namespace flannel::agent_config_test
