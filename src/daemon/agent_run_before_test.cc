// SPDX-License-Identifier: Apache-2.0
// What a run before has left: devices, a lease of another backend, or both.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/agent_fixture.h"

namespace flannel::agent_run_before_test {
namespace {

using RunBeforeTest = AgentTest;
using std::chrono::seconds;

TEST_F(RunBeforeTest, WhatARunBeforeLeftReceivesForAMinuteAndGoes) {
  configure(kVxlan);
  const std::string had = kernel_.dump().substr(0, kernel_.dump().find('\n'));
  agent_.reset();
  store_->put_config(kPrefix, kHostGw);
  start_agent();
  EXPECT_TRUE(announces(R"("BackendType":"host-gw")")) << record();
  EXPECT_TRUE(has(had)) << "with the MAC that peers know: " << kernel_.dump();
  loop_.advance(Dataplanes::kLinger + seconds(1));
  loop_.run_until_idle();
  EXPECT_EQ(kernel_.dump(), "");
  EXPECT_TRUE(agent_->ready());
}

TEST_F(RunBeforeTest, ATunDeviceThatARunBeforeLeftReceivesForAMinuteAndGoes) {
  configure(kUdp);
  const std::string key = own_key();
  agent_.reset();
  store_->remove(kPrefix, key);
  store_->put_config(kPrefix, kHostGw);
  path_.tables.clear();
  start_agent();
  EXPECT_EQ(own_key(), key);
  EXPECT_TRUE(announces(R"("BackendType":"host-gw")")) << record();
  EXPECT_FALSE(path_.tables.empty());
  EXPECT_TRUE(has("link flannel3")) << kernel_.dump();
  loop_.advance(Dataplanes::kLinger + seconds(1));
  loop_.run_until_idle();
  EXPECT_EQ(path_.retired, 1);
  EXPECT_EQ(kernel_.dump(), "");
  EXPECT_TRUE(agent_->ready());
}

TEST_F(RunBeforeTest, AnIpipDeviceIsAdoptedAndOneOfARunBeforeReceivesForAMinuteAndGoes) {
  const char* ipip = R"({"Network":"10.5.0.0/16","Backend":{"Type":"ipip"}})";
  configure(ipip);
  const std::string had = kernel_.dump();
  EXPECT_TRUE(has("link flannel.ipip ipip remote any local 192.0.2.1 mtu 1480 up")) << had;
  agent_.reset();
  kernel_.take_log();
  start_agent();
  EXPECT_EQ(kernel_.dump(), had);
  EXPECT_EQ(kernel_.take_log(), "") << "nothing is written";
  const std::string key = own_key();
  agent_.reset();
  store_->remove(kPrefix, key);  // so that the device alone says what peers send to
  store_->put_config(kPrefix, kHostGw);
  start_agent();
  EXPECT_TRUE(announces(R"("BackendType":"host-gw")")) << record();
  EXPECT_TRUE(has("link flannel.ipip")) << kernel_.dump();
  loop_.advance(Dataplanes::kLinger + seconds(1));
  loop_.run_until_idle();
  EXPECT_EQ(kernel_.dump(), "");
  EXPECT_TRUE(agent_->ready());
}

TEST_F(RunBeforeTest, AHostThatMissedAChangeMakesItsDeviceBeforeItsLeaseAnnouncesIt) {
  configure(kHostGw);
  const std::string key = own_key();
  agent_.reset();
  store_->put_config(kPrefix, kVxlan);
  std::string announced;
  on_host_check_ = [&] {  // for the first time when the kernel has been programmed
    const auto there = store_->snapshot(kPrefix);
    const auto own = std::ranges::find(there.records, key, &Record::key);
    if (announced.empty() && has("link flannel.1")) announced = own->value;
  };
  start_agent();
  EXPECT_NE(announced.find(R"("BackendType":"host-gw")"), std::string::npos) << announced;
  EXPECT_TRUE(announces(R"("BackendType":"vxlan")")) << record();
  EXPECT_TRUE(agent_->ready());
}

TEST_F(RunBeforeTest, AHostThatMissedAChangeFromUdpReceivesByUdpForAMinute) {
  configure(kUdp);
  agent_.reset();
  kernel_.take_log();
  store_->put_config(kPrefix, kVxlan);
  path_.tables.clear();
  start_agent();
  EXPECT_TRUE(announces(R"("BackendType":"vxlan")")) << record();
  ASSERT_FALSE(path_.tables.empty()) << "peers that have not seen our lease send to the UDP port";
  EXPECT_EQ(path_.settings.peer_port, 8285);
  EXPECT_EQ(path_.retired, 0);
  EXPECT_EQ(problems(), std::vector<std::string>{});
  loop_.advance(seconds(61));
  loop_.run_until_idle();
  EXPECT_EQ(path_.retired, 1);
  EXPECT_EQ(agent_->network()->planes().packet_path(), nullptr);
}

}  // namespace
}  // namespace flannel::agent_run_before_test
