// SPDX-License-Identifier: Apache-2.0
// When KnownPeers wants to be woken, and for what.
#include <gtest/gtest.h>

#include <string>

#include "core/known_peers.h"

namespace flannel::known_peers_wakeup_test {
namespace {

Snapshot hosts(int first, int last) {
  Snapshot all;
  all.config = ConfigRecord{"{}", 1};
  for (int host = first; host <= last; ++host) {
    const std::string n = std::to_string(host);
    all.records.push_back({.key = "10.5." + n + ".0-24",
                           .value = R"({"PublicIP":"192.0.2.)" + n + R"("})",
                           .revision = host,
                           .created = host});
  }
  return all;
}

TEST(KnownPeersWakeupTest, ARecheckIsWantedFromItsTimeUntilTheNextList) {
  TimePoint now{std::chrono::hours(1)};
  KnownPeers peers{LeaseTable(), HostIdentity(IpAddress::v4(192, 0, 2, 1), std::nullopt),
                   [](std::uint64_t) { return std::uint64_t{0}; }};
  peers.on_snapshot(now, hosts(2, 9));
  EXPECT_EQ(peers.next_wakeup(), kNever);
  peers.on_snapshot(now, hosts(7, 9));
  EXPECT_EQ(peers.next_wakeup(), now + KnownPeers::kGracePeriod);
  now += KnownPeers::kGracePeriod;
  EXPECT_TRUE(peers.tick(now).empty());
  const TimePoint recheck = peers.recheck_at();
  EXPECT_EQ(peers.next_wakeup(), recheck);
  peers.tick(recheck - std::chrono::milliseconds(1));
  EXPECT_FALSE(peers.wants_list());
  peers.tick(recheck);
  EXPECT_TRUE(peers.wants_list());
  EXPECT_EQ(peers.next_wakeup(), kNever) << "it is asked for once";
  EXPECT_EQ(peers.on_snapshot(recheck, hosts(7, 9)).size(), 5U);
  EXPECT_FALSE(peers.wants_list());
  EXPECT_EQ(peers.next_wakeup(), kNever);
}

}  // namespace
}  // namespace flannel::known_peers_wakeup_test
