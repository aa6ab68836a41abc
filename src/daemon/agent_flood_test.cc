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
  EXPECT_EQ(agent_->network()->table().quarantined().size(), Quarantine::kMostNamed);
  EXPECT_EQ(agent_->network()->table().quarantine().unnamed(), kMany - Quarantine::kMostNamed);
  put(peer_key(9), peer_value("192.0.2.9"));
  EXPECT_EQ(kernel_.dump(), "route 10.5.9.0/24 via 192.0.2.9 dev eth0\n");
  for (int n = 0; n < kMany; ++n)
    remove(fmt::format("junk-{}", n));
  EXPECT_EQ(agent_->network()->table().quarantined().size(), 0U);
  EXPECT_EQ(agent_->network()->table().quarantine().unnamed(), 0U);
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
  EXPECT_EQ(said, "") << "each was named or counted before";
  remove("junk-3");
  put("10.5.77.0-24", "[]");
  log::capture({});
  EXPECT_TRUE(
      said.starts_with("lease record quarantined, the others are not affected "
                       "code=record-unusable about=10.5.77.0-24 why="))
      << said;
  EXPECT_EQ(std::ranges::count(said, '\n'), 1) << said;
}

TEST_F(AgentTest, OfVeryManyPeersThatCannotBeReachedTheFirstAreNamedAndTheOthersCounted) {
  configure(kHostGw);
  const std::string own = own_key();
  for (int n = 2; n < kMany; ++n)
    put(peer_key(n), peer_value("192.0.2.9", "vxlan"));
  EXPECT_EQ(agent_->network()->overlay().unreachable().named().size(),
            UnreachablePeers::kMostNamed);
  EXPECT_EQ(agent_->network()->overlay().unreachable().more(),
            kMany - 2 - UnreachablePeers::kMostNamed);
  for (int n = 2; n < kMany; n += 2)
    put(peer_key(n), peer_value("192.0.2.9"));
  for (int n = 3; n < kMany; n += 2)
    remove(peer_key(n));
  loop_.advance(minutes(2));
  EXPECT_EQ(agent_->network()->overlay().unreachable().named().size(), 0U);
  EXPECT_EQ(agent_->network()->overlay().unreachable().more(), 0U);
}

TEST_F(AgentTest, OfVeryManyProblemsOfOneKindTheFirstAreNamed) {
  configure(kHostGw);
  kernel_.refuse("via 192.0.2.", {ErrorKind::invalid, "No route to host"});
  for (int n = 2; n < kMany; ++n)
    put(peer_key(n), peer_value("192.0.2.9"));
  const auto wrong = problems();
  ASSERT_EQ(wrong.size(), 11U);
  EXPECT_EQ(wrong[0],
            "kernel: route 10.5.10.0/24 via 192.0.2.9 dev eth0: No route to host; "
            "remedy: remove the reason; flanneld tries again by itself");
  EXPECT_EQ(wrong[10], fmt::format("kernel: {} more like these", kMany - 2 - 10));
  EXPECT_EQ(agent_->network()->overlay().unmet().size(), Reconciler::kMostNamed);
  EXPECT_EQ(agent_->network()->overlay().more_unmet(), kMany - 2 - Reconciler::kMostNamed);
}

}  // namespace
}  // namespace flannel::agent_flood_test
