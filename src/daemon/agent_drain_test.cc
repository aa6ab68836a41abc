// SPDX-License-Identifier: Apache-2.0
// An agent whose host is drained: its lease goes, and its data plane stays.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.h"
#include "support/agent_fixture.h"

namespace flannel::agent_drain_test {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

const DrainNote kNote{.since = "2026-11-29T21:48:05Z", .by = "root"};
constexpr const char* kSentence =
    "lease: drained since 2026-11-29T21:48:05Z by root; remedy: flannelctl undrain";
constexpr const char* kPeer = "10.5.9.0-24";

class AgentDrainTest : public AgentTest {
 protected:
  void begin(const char* config = kHostGw) {
    put(kPeer, peer_value("192.0.2.9"));
    configure(config);
    ASSERT_EQ(ready_, 1);
    key_ = own_key();
  }
  void drain() {
    agent_->follow_drain(kNote);
    loop_.run_until_idle();
  }
  void undrain() {
    agent_->follow_drain(std::nullopt);
    loop_.run_until_idle();
  }
  void restart_drained() {
    note_at_start_ = kNote;
    start_agent();
  }
  bool has_record(const std::string& key) const {
    const auto records = store_->snapshot(kPrefix).records;
    return std::ranges::find(records, key, &Record::key) != records.end();
  }

  std::string key_;
};

TEST_F(AgentDrainTest, TheLeaseGoesAndNothingElse) {
  begin();
  const std::string kernel = kernel_.dump();
  const auto file = read_file(subnet_file()).value();
  kernel_.take_log();
  drain();
  EXPECT_FALSE(has_record(key_));
  EXPECT_FALSE(agent_->ready());
  EXPECT_EQ(only_problem(), kSentence);
  loop_.advance(hours(30));
  EXPECT_EQ(kernel_.dump(), kernel);
  EXPECT_EQ(kernel_.take_log(), "");
  EXPECT_EQ(read_file(subnet_file()).value(), file);
  EXPECT_FALSE(has_record(key_));
  EXPECT_EQ(agent_->network()->keeper().phase(), LeasePhase::drained);
  EXPECT_FALSE(agent_->network()->subnet_env()) << "containers are to have none";

  undrain();
  EXPECT_TRUE(has_record(key_));
  ASSERT_TRUE(agent_->network()->subnet_env());
  EXPECT_EQ(encode_subnet_env(*agent_->network()->subnet_env()), file);
  EXPECT_TRUE(agent_->ready());
  EXPECT_EQ(problems(), std::vector<std::string>{});
  EXPECT_EQ(kernel_.dump(), kernel);
}

TEST_F(AgentDrainTest, PeersAndTheConfigurationAreFollowed) {
  begin();
  drain();
  put("10.5.11.0-24", peer_value("192.0.2.11"));
  EXPECT_NE(kernel_.dump().find("route 10.5.11.0/24 via 192.0.2.11"), std::string::npos);
  configure(kVxlan);
  EXPECT_NE(kernel_.dump().find("flannel.1"), std::string::npos);
  EXPECT_FALSE(has_record(key_));
  undrain();
  ASSERT_TRUE(has_record(key_));
  const auto records = store_->snapshot(kPrefix).records;
  EXPECT_NE(std::ranges::find(records, key_, &Record::key)->value.find("vxlan"), std::string::npos);
}

TEST_F(AgentDrainTest, AStoreThatHasOurRecordAgainLosesIt) {
  begin();
  drain();
  put(key_, R"({"PublicIP":"192.0.2.1","BackendType":"host-gw"})", hours(24));
  EXPECT_FALSE(has_record(key_));
  agent_->refresh();
  loop_.run_until_idle();
  EXPECT_FALSE(has_record(key_));
  EXPECT_EQ(only_problem(), kSentence);
}

TEST_F(AgentDrainTest, ARestartStaysDrainedAndKeepsTheKernel) {
  begin();
  drain();
  const std::string kernel = kernel_.dump();
  kernel_.take_log();
  restart_drained();
  EXPECT_EQ(kernel_.dump(), kernel);
  EXPECT_EQ(kernel_.take_log(), "") << "nothing was removed and made again";
  EXPECT_EQ(ready_, 0);
  EXPECT_FALSE(agent_->ready());
  EXPECT_FALSE(has_record(key_));
  EXPECT_EQ(only_problem(), kSentence);
  put("10.5.11.0-24", peer_value("192.0.2.11"));
  EXPECT_NE(kernel_.dump().find("route 10.5.11.0/24 via 192.0.2.11"), std::string::npos);
  undrain();
  EXPECT_EQ(own_key(), key_);
  EXPECT_TRUE(has_record(key_));
  EXPECT_EQ(ready_, 1);
  EXPECT_TRUE(agent_->ready());
}

TEST_F(AgentDrainTest, AStartWhileDrainedTakesNoLease) {
  restart_drained();
  EXPECT_EQ(problems()[0], kSentence) << "there is no configuration yet";
  put(kPeer, peer_value("192.0.2.9"));
  configure(kHostGw);
  EXPECT_FALSE(agent_->network()->keeper().lease());
  EXPECT_EQ(store_->snapshot(kPrefix).records.size(), 1U);
  EXPECT_EQ(kernel_.dump().find("route"), std::string::npos) << kernel_.dump();
  EXPECT_EQ(ready_, 0);
  EXPECT_EQ(only_problem(), kSentence);
  undrain();
  EXPECT_EQ(ready_, 1);
  EXPECT_TRUE(has_record(own_key()));
}

TEST_F(AgentDrainTest, ASubnetThatAnotherHostHasTakenIsNotExchanged) {
  begin();
  drain();
  put(key_, peer_value("192.0.2.8"), hours(1));
  restart_drained();
  undrain();
  EXPECT_EQ(own_key(), key_);
  EXPECT_FALSE(agent_->ready());
  const std::string subnet = to_string(agent_->network()->keeper().lease()->subnet);
  const auto all = problems();
  EXPECT_TRUE(std::ranges::any_of(all, [&](const std::string& one) {
    return one.starts_with("lease: cannot take " + subnet + " again: 192.0.2.8 has " + key_);
  })) << only_problem();
  remove(key_);
  loop_.advance(seconds(60));
  EXPECT_TRUE(has_record(key_));
  EXPECT_TRUE(agent_->ready());
}

TEST_F(AgentDrainTest, AReservationStaysAndIsNamed) {
  begin();
  const auto records = store_->snapshot(kPrefix).records;
  put(key_, std::ranges::find(records, key_, &Record::key)->value);
  drain();
  EXPECT_TRUE(has_record(key_));
  EXPECT_EQ(problems(),
            (std::vector<std::string>{
                kSentence, "lease: peers still send to this host, since " + key_ +
                               " is a reservation; remedy: flannelctl unreserve the subnet"}));
}

}  // namespace
}  // namespace flannel::agent_drain_test
