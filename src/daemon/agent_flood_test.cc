// SPDX-License-Identifier: Apache-2.0
// The agent while another program writes very many records below subnets/.
#include <fmt/format.h>

#include "base/log.h"
#include "support/agent_fixture.h"

namespace flannel::agent_flood_test {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr int kMany = 250;

std::string peer_key(int n) {
  return fmt::format("10.5.{}.0-24", n);
}

TEST_F(AgentTest, OfVeryManyBadRecordsTheFirstAreNamedAndTheOthersCounted) {
  configure(kHostGw);
  for (int n = 0; n < kMany; ++n)
    put(fmt::format("junk-{}", n), "{}");
  EXPECT_EQ(agent_->table()->quarantined().size(), Quarantine::kMostNamed);
  EXPECT_EQ(agent_->table()->quarantine().unnamed(), kMany - Quarantine::kMostNamed);
  put(peer_key(9), peer_value("192.0.2.9"));
  EXPECT_EQ(kernel_.dump(), "route 10.5.9.0/24 via 192.0.2.9 dev eth0\n");
  for (int n = 0; n < kMany; ++n)
    remove(fmt::format("junk-{}", n));
  EXPECT_EQ(agent_->table()->quarantined().size(), 0U);
  EXPECT_EQ(agent_->table()->quarantine().unnamed(), 0U);
}

TEST_F(AgentTest, ABadRecordAmongManyIsNamedOnceInTheLog) {
  configure(kHostGw);
  for (int n = 0; n < kMany; ++n)
    put(fmt::format("junk-{}", n), "{}");
  std::string said;
  log::capture([&](std::string_view line) {
    if (line.starts_with("lease record")) said.append(line).append("\n");
  });
  put("junk-3", "[]");
  put("another", "{}");
  agent_->refresh();
  loop_.advance(seconds(1));
  log::capture({});
  EXPECT_EQ(said,
            "lease record quarantined, the others are not affected key=junk-3 "
            "why=\"subnet key \\\"junk-3\\\": \\\"junk-3\\\" is not like 10.5.52.0-24\"\n");
}

TEST_F(AgentTest, OfVeryManyPeersThatCannotBeReachedTheFirstAreNamedAndTheOthersCounted) {
  configure(kHostGw);
  const std::string own = own_key();
  for (int n = 2; n < kMany; ++n)
    put(peer_key(n), peer_value("192.0.2.9", "vxlan"));
  EXPECT_EQ(agent_->overlay()->unreachable().named().size(), UnreachablePeers::kMostNamed);
  EXPECT_EQ(agent_->overlay()->unreachable().more(), kMany - 2 - UnreachablePeers::kMostNamed);
  for (int n = 2; n < kMany; n += 2)
    put(peer_key(n), peer_value("192.0.2.9"));
  for (int n = 3; n < kMany; n += 2)
    remove(peer_key(n));
  loop_.advance(minutes(2));
  EXPECT_EQ(agent_->overlay()->unreachable().named().size(), 0U);
  EXPECT_EQ(agent_->overlay()->unreachable().more(), 0U);
}

TEST_F(AgentTest, OfVeryManyTroublesOfOneKindTheFirstAreNamed) {
  configure(kHostGw);
  kernel_.refuse("via 192.0.2.", {ErrorKind::invalid, "No route to host"});
  for (int n = 2; n < kMany; ++n)
    put(peer_key(n), peer_value("192.0.2.9"));
  const auto troubles = agent_->troubles();
  ASSERT_EQ(troubles.size(), 11U);
  EXPECT_EQ(troubles[0], "kernel: route 10.5.10.0/24 via 192.0.2.9 dev eth0: No route to host");
  EXPECT_EQ(troubles[10], fmt::format("kernel: {} more like these", kMany - 2 - 10));
  EXPECT_EQ(agent_->overlay()->unmet().size(), Reconciler::kMostNamed);
  EXPECT_EQ(agent_->overlay()->more_unmet(), kMany - 2 - Reconciler::kMostNamed);
}

}  // namespace
}  // namespace flannel::agent_flood_test
