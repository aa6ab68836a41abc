// SPDX-License-Identifier: Apache-2.0
// An agent with the extension backend, whose commands the test ends as it likes.
#include <gtest/gtest.h>

#include <fstream>

#include "support/agent_fixture.h"

namespace flannel::agent_extension_test {
namespace {

using std::chrono::seconds;
using Texts = std::vector<std::string>;

constexpr const char* kExtension =
    R"({"Network":"10.5.0.0/16","Backend":{"Type":"extension","PreStartupCommand":"pre",)"
    R"("PostStartupCommand":"post","SubnetAddCommand":"add","SubnetRemoveCommand":"remove",)"
    R"("ShutdownCommand":"shutdown"}})";

std::string extension_peer(const std::string& public_ip, const std::string& data = "m2") {
  return R"({"PublicIP":")" + public_ip + R"(","BackendType":"extension","BackendData":")" + data +
         "\"}";
}

class AgentExtensionTest : public AgentTest {
 protected:
  // From the start of the agent until it is ready.
  void come_up(const std::string& config = kExtension) {
    configure(config);
    run_all();
    ASSERT_EQ(ready_, 1);
    shell_.began();
  }
  void run_all() {
    do {
      shell_.end_all();
      loop_.run_until_idle();
    } while (!shell_.running().empty());
  }
  void end(const std::string& command, ShellEnd how = {}) {
    shell_.end(command, std::move(how));
    loop_.run_until_idle();
  }
  void pass(Duration time) {
    loop_.advance(time);
    loop_.run_until_idle();
  }
  std::string own() const { return to_string(agent_->network()->keeper().lease()->subnet); }
};

TEST_F(AgentExtensionTest, NoLeaseIsWrittenBeforeTheFirstCommandHasSucceeded) {
  configure(kExtension);
  EXPECT_EQ(shell_.running(), Texts{"pre"});
  EXPECT_EQ(shell_.call("pre").input, "\n");
  EXPECT_TRUE(store_->snapshot(kPrefix).records.empty());
  end("pre", {.output = " 02:00:00:00:00:01\n"});
  EXPECT_TRUE(announces(R"("BackendType":"extension","BackendData":"02:00:00:00:00:01")"));
  EXPECT_EQ(shell_.running(), Texts{"post " + own()});
  EXPECT_EQ(ready_, 0) << "containers come after the second one";
  end("post " + own());
  EXPECT_EQ(ready_, 1);
  EXPECT_TRUE(std::filesystem::exists(subnet_file()));
}

TEST_F(AgentExtensionTest, ACommandOfTheStartIsTriedUntilItSucceeds) {
  configure(kExtension);
  end("pre", {.failure = "exit status 2", .errors = "first\nno \x1b[31mmodule\n"});
  EXPECT_EQ(only_problem(),
            "packet path: PreStartupCommand: exit status 2: first\\nno \\x1b[31mmodule; remedy: "
            "remove the reason, or correct the command in the network configuration");
  EXPECT_TRUE(shell_.running().empty());
  pass(seconds(1));
  EXPECT_EQ(shell_.running(), Texts{"pre"});
  end("pre", {.output = "\xff"});
  EXPECT_NE(only_problem().find("its output is no UTF-8 text"), std::string::npos);
  pass(seconds(2));
  end("pre", {.output = std::string(5000, 'x')});
  EXPECT_NE(only_problem().find("5000 bytes"), std::string::npos);
  pass(seconds(4));
  end("pre");
  EXPECT_FALSE(announces("BackendData"));
  end("post " + own(), {.failure = "exit status 1"});
  EXPECT_NE(only_problem().find("PostStartupCommand: exit status 1"), std::string::npos);
  EXPECT_EQ(ready_, 0);
  put("10.5.9.0-24", extension_peer("192.0.2.9"));
  EXPECT_EQ(shell_.running(), Texts{}) << "a peer that comes does not end the pause";
  pass(seconds(1));
  end("post " + own());
  EXPECT_EQ(ready_, 1);
  end("add 10.5.9.0/24");
  EXPECT_EQ(problems(), Texts{});
}

TEST_F(AgentExtensionTest, AnotherConfigurationTakesThePlaceOfACommandThatRuns) {
  configure(kExtension);
  configure(kHostGw);
  EXPECT_TRUE(shell_.running().empty());
  EXPECT_EQ(ready_, 1);
}

TEST_F(AgentExtensionTest, PeersAreAddedAfterTheStartWithWhatTheyAnnounce) {
  put("10.5.9.0-24", extension_peer("192.0.2.9", "$(reboot)"));
  configure(kExtension);
  end("pre");
  EXPECT_EQ(shell_.running(), Texts{"post " + own()});
  end("post " + own());
  ASSERT_EQ(shell_.running(), Texts{"add 10.5.9.0/24"});
  const ShellCall& call = shell_.call("add 10.5.9.0/24");
  EXPECT_EQ(call.command, "add");
  EXPECT_EQ(call.input, "$(reboot)\n");
  EXPECT_EQ(call.variables[1], "PUBLIC_IP=192.0.2.9");
  EXPECT_EQ(call.deadline, seconds(30));
}

TEST_F(AgentExtensionTest, TheCommandsOfAPeerComeOneAfterAnother) {
  come_up();
  put("10.5.9.0-24", extension_peer("192.0.2.9"));
  EXPECT_EQ(shell_.began(), Texts{"add 10.5.9.0/24"});
  remove("10.5.9.0-24");
  pass(seconds(5));
  EXPECT_EQ(shell_.began(), Texts{}) << "the first one still runs";
  put("10.5.9.0-24", extension_peer("192.0.2.8"));
  end("add 10.5.9.0/24");
  EXPECT_EQ(shell_.began(), Texts{"remove 10.5.9.0/24"});
  EXPECT_EQ(shell_.call("remove 10.5.9.0/24").variables[1], "PUBLIC_IP=192.0.2.9")
      << "what was added is removed";
  end("remove 10.5.9.0/24");
  EXPECT_EQ(shell_.began(), Texts{"add 10.5.9.0/24"});
  EXPECT_EQ(shell_.call("add 10.5.9.0/24").variables[1], "PUBLIC_IP=192.0.2.8");
}

TEST_F(AgentExtensionTest, NoMoreThanEightCommandsRunAtOnce) {
  come_up();
  for (int n = 100; n < 120; ++n)
    put(fmt::format("10.5.{}.0-24", n), extension_peer(fmt::format("192.0.2.{}", n)));
  EXPECT_EQ(shell_.running().size(), 8U);
  end("add 10.5.103.0/24");
  EXPECT_EQ(shell_.running().size(), 8U);
  run_all();
  EXPECT_EQ(shell_.began().size(), 20U);
}

TEST_F(AgentExtensionTest, AFailedAdditionIsUndoneAndTriedAgain) {
  come_up();
  put("10.5.9.0-24", extension_peer("192.0.2.9"));
  end("add 10.5.9.0/24", {.failure = "exit status 2", .errors = "File exists"});
  EXPECT_NE(only_problem().find("SubnetAddCommand of 10.5.9.0/24: exit status 2: File exists"),
            std::string::npos);
  pass(seconds(1));
  end("remove 10.5.9.0/24", {.failure = "exit status 2"});
  EXPECT_EQ(shell_.running(), Texts{"add 10.5.9.0/24"}) << "there was nothing to undo";
  end("add 10.5.9.0/24", {.failure = "exit status 2"});
  pass(seconds(1));
  EXPECT_EQ(shell_.running(), Texts{}) << "the pause is longer now";
  pass(seconds(1));
  end("remove 10.5.9.0/24");
  end("add 10.5.9.0/24");
  EXPECT_EQ(problems(), Texts{});
}

TEST_F(AgentExtensionTest, ARemovalIsTriedThreeTimes) {
  come_up();
  put("10.5.9.0-24", extension_peer("192.0.2.9"));
  run_all();
  shell_.began();
  remove("10.5.9.0-24");
  pass(seconds(2));
  for (int n = 0; n < 3; ++n) {
    end("remove 10.5.9.0/24", {.failure = "exit status 2"});
    pass(seconds(5));
  }
  EXPECT_EQ(shell_.began().size(), 3U);
  EXPECT_EQ(problems(), Texts{});
}

TEST_F(AgentExtensionTest, APeerThatComesBackWhileItIsRemovedIsMadeAgain) {
  come_up();
  put("10.5.9.0-24", extension_peer("192.0.2.9"));
  run_all();
  remove("10.5.9.0-24");
  pass(seconds(2));
  put("10.5.9.0-24", extension_peer("192.0.2.9"));
  end("remove 10.5.9.0/24", {.failure = "exit status 2"});
  pass(seconds(1));
  EXPECT_EQ(shell_.running(), Texts{"add 10.5.9.0/24"}) << "the removal may have done a part";
  end("add 10.5.9.0/24");
  EXPECT_EQ(problems(), Texts{});
}

TEST_F(AgentExtensionTest, ARestartMakesAgainWhatWasJustRemoved) {
  put("10.5.9.0-24", extension_peer("192.0.2.9"));
  come_up();
  remove("10.5.9.0-24");
  pass(seconds(2));
  EXPECT_EQ(shell_.began(), Texts{"remove 10.5.9.0/24"});
  pass(seconds(2));
  agent_.reset();
  put("10.5.9.0-24", extension_peer("192.0.2.9"));
  start_agent();
  EXPECT_EQ(shell_.began(), Texts{"remove 10.5.9.0/24"}) << "what is left is in the way";
  end("remove 10.5.9.0/24");
  EXPECT_EQ(shell_.running(), Texts{"add 10.5.9.0/24"});
}

TEST_F(AgentExtensionTest, NothingBeginsForPeersWhileACommandOfTheStartRuns) {
  put("10.5.9.0-24", extension_peer("192.0.2.9"));
  come_up();
  put("10.5.9.0-24", extension_peer("192.0.2.9", "m3"));
  EXPECT_EQ(shell_.running(), Texts{"remove 10.5.9.0/24"});
  configure(
      R"({"Network":"10.5.0.0/16","Backend":{"Type":"extension","PreStartupCommand":"pre",)"
      R"("PostStartupCommand":"post2","SubnetAddCommand":"add","SubnetRemoveCommand":"remove"}})");
  end("remove 10.5.9.0/24");
  EXPECT_EQ(shell_.running(), Texts{"post2 " + own()});
  end("post2 " + own());
  EXPECT_EQ(shell_.running(), Texts{"add 10.5.9.0/24"});
}

TEST_F(AgentExtensionTest, TheRecordIsWrittenOnlyWhenItChanges) {
  come_up();
  pass(seconds(2));
  const std::string record = folder_ + "/extension.json", former = folder_ + "/former";
  std::filesystem::create_hard_link(record, former);
  put("10.5.8.0-24", peer_value("192.0.2.8", "no-such-backend"));
  EXPECT_TRUE(std::filesystem::equivalent(record, former));
  put("10.5.9.0-24", extension_peer("192.0.2.9"));
  pass(seconds(2));
  EXPECT_FALSE(std::filesystem::equivalent(record, former));
}

// What is there on this boot is not made again; the peers are.
TEST_F(AgentExtensionTest, ARestartGoesOnWithWhatIsThere) {
  put("10.5.8.0-24", extension_peer("192.0.2.8"));
  put("10.5.9.0-24", extension_peer("192.0.2.9"));
  configure(kExtension);
  end("pre", {.output = "m1"});
  run_all();
  shell_.began();
  agent_.reset();
  remove("10.5.8.0-24");
  start_agent();
  EXPECT_EQ(shell_.began(), (Texts{"remove 10.5.8.0/24", "add 10.5.9.0/24"}));
  EXPECT_EQ(ready_, 1) << "it waits for no command";
  EXPECT_TRUE(announces(R"("BackendData":"m1")"));
  end("add 10.5.9.0/24", {.failure = "exit status 2", .errors = "File exists"});
  EXPECT_EQ(problems(), Texts{}) << "the route is there from before";
}

TEST_F(AgentExtensionTest, ARebootBeginsAnew) {
  put("10.5.9.0-24", extension_peer("192.0.2.9"));
  come_up();
  agent_.reset();
  ++boot_;
  start_agent();
  EXPECT_EQ(shell_.began(), Texts{"pre"});
}

TEST_F(AgentExtensionTest, ADamagedRecordBeginsAnew) {
  come_up();
  agent_.reset();
  std::ofstream(folder_ + "/extension.json") << "{";
  start_agent();
  EXPECT_EQ(shell_.began(), Texts{"pre"});
}

TEST_F(AgentExtensionTest, OtherCommandsForPeersTakeTheirPlace) {
  put("10.5.9.0-24", extension_peer("192.0.2.9"));
  come_up();
  configure(
      R"({"Network":"10.5.0.0/16","Backend":{"Type":"extension","PreStartupCommand":"pre",)"
      R"("PostStartupCommand":"post","SubnetAddCommand":"add2","SubnetRemoveCommand":"remove2"}})");
  end("remove 10.5.9.0/24");
  EXPECT_EQ(shell_.running(), Texts{"add2 10.5.9.0/24"});
}

TEST_F(AgentExtensionTest, AnotherFirstCommandIsAnnouncedWhenItHasSucceeded) {
  come_up();
  configure(
      R"({"Network":"10.5.0.0/16","Backend":{"Type":"extension","PreStartupCommand":"other"}})");
  EXPECT_EQ(shell_.began(), Texts{"other " + own()});
  end("other " + own(), {.output = "m7"});
  run_all();
  EXPECT_TRUE(announces(R"("BackendData":"m7")"));
}

// As for every backend: in place first, then announced, and the former one for another minute.
TEST_F(AgentExtensionTest, TheBackendChangesWhileItRuns) {
  configure(kHostGw);
  put("10.5.9.0-24", peer_value("192.0.2.9"));
  configure(kExtension);
  EXPECT_TRUE(announces(R"("BackendType":"host-gw")"));
  end("pre", {.output = "m1"});
  EXPECT_TRUE(announces(R"("BackendType":"host-gw")")) << "its device may not be there yet";
  end("post " + own());
  EXPECT_TRUE(announces(R"("BackendType":"extension","BackendData":"m1")"));
  EXPECT_TRUE(has("route 10.5.9.0/24 via 192.0.2.9"));
  put("10.5.9.0-24", extension_peer("192.0.2.9"));
  EXPECT_FALSE(has("route 10.5.9.0/24")) << "it is the command's from now on";
  end("add 10.5.9.0/24");
  configure(kHostGw);
  put("10.5.9.0-24", peer_value("192.0.2.9"));
  EXPECT_TRUE(has("route 10.5.9.0/24 via 192.0.2.9"));
  EXPECT_EQ(shell_.running(), Texts{"remove 10.5.9.0/24"});
  end("remove 10.5.9.0/24");
  pass(seconds(61));
  EXPECT_EQ(shell_.running(), Texts{"shutdown " + own()});
  end("shutdown " + own());
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/extension.json"));
  EXPECT_EQ(problems(), Texts{});
}

// The commands of upstream's sample for WireGuard make a device that is called as ours.
TEST_F(AgentExtensionTest, ADeviceThatIsThereBelongsToTheCommands) {
  configure(kVxlan);
  const std::string key = own_key();
  agent_.reset();
  store_->remove(kPrefix, key);
  store_->put_config(kPrefix, kExtension);
  start_agent();
  run_all();
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(agent_->network()->planes().all().size(), 1U);
  pass(Dataplanes::kLinger + seconds(1));
  EXPECT_TRUE(has("link flannel.1"));
}

TEST_F(AgentExtensionTest, WhatAnotherBackendFindsIsUndone) {
  put("10.5.9.0-24", extension_peer("192.0.2.9"));
  come_up();
  agent_.reset();
  store_->put_config(kPrefix, kHostGw);
  start_agent();
  EXPECT_EQ(shell_.began(), Texts{"remove 10.5.9.0/24"});
  run_all();
  EXPECT_EQ(shell_.began(), Texts{"shutdown " + own()});
}

TEST_F(AgentExtensionTest, WhatIsUndoneLaterHasTheTimeOfThen) {
  put("10.5.9.0-24", extension_peer("192.0.2.9"));
  come_up(R"({"Network":"10.5.0.0/16","Backend":{"Type":"extension","CommandTimeout":7,)"
          R"("SubnetRemoveCommand":"remove"}})");
  agent_.reset();
  store_->put_config(kPrefix, kHostGw);
  start_agent();
  EXPECT_EQ(shell_.call("remove 10.5.9.0/24").deadline, seconds(7));
}

TEST_F(AgentExtensionTest, AShutdownThatWasCutOffIsFollowedByAWholeStart) {
  come_up();
  agent_.reset();
  store_->put_config(kPrefix, kHostGw);
  start_agent();
  EXPECT_EQ(shell_.began(), Texts{"shutdown " + own()});
  agent_.reset();
  store_->put_config(kPrefix, kExtension);
  start_agent();
  EXPECT_EQ(shell_.began(), Texts{"pre"});
}

TEST_F(AgentExtensionTest, WhatCommandsMadeStaysAtTheExitUnlessAskedFor) {
  put("10.5.9.0-24", extension_peer("192.0.2.9"));
  come_up();
  bool has_ended = false;
  agent_->end([&] { has_ended = true; });
  EXPECT_TRUE(has_ended);
  EXPECT_EQ(shell_.began(), Texts{});
  configure(
      R"({"Network":"10.5.0.0/16","Backend":{"Type":"extension","PreStartupCommand":"pre",)"
      R"("PostStartupCommand":"post","SubnetAddCommand":"add","SubnetRemoveCommand":"remove",)"
      R"("ShutdownCommand":"shutdown","RemoveAtExit":true}})");
  EXPECT_EQ(shell_.began(), Texts{}) << "nothing else has changed";
  has_ended = false;
  agent_->end([&] { has_ended = true; });
  EXPECT_FALSE(has_ended);
  configure(
      R"({"Network":"10.5.0.0/16","Backend":{"Type":"extension","SubnetAddCommand":"add3"}})");
  end("remove 10.5.9.0/24");
  EXPECT_EQ(shell_.running(), Texts{"shutdown " + own()});
  end("shutdown " + own());
  EXPECT_TRUE(has_ended);
}

TEST_F(AgentExtensionTest, ReloadRunsTheCommandsOfPeersAgain) {
  put("10.5.9.0-24", extension_peer("192.0.2.9"));
  come_up();
  agent_->refresh();
  loop_.run_until_idle();
  EXPECT_EQ(shell_.began(), Texts{"add 10.5.9.0/24"});
  end("add 10.5.9.0/24", {.failure = "exit status 2", .errors = "File exists"});
  EXPECT_EQ(problems(), Texts{});
}

TEST_F(AgentExtensionTest, APeerWithoutOurCommandsIsUnreachable) {
  configure(kHostGw);
  put("10.5.9.0-24", extension_peer("192.0.2.9"));
  EXPECT_NE(only_problem().find("announces the backend \"extension\""), std::string::npos);
}

}  // namespace
}  // namespace flannel::agent_extension_test
