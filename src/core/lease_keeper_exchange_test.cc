// SPDX-License-Identifier: Apache-2.0
// A running lease keeper whose configuration gets another family, for which there is no free
// subnet.
#include <gtest/gtest.h>

#include "support/keeper_host.h"

namespace flannel::lease_keeper_exchange_test {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr const char* kV4 = R"({"Network":"10.5.0.0/24","SubnetLen":27})";
constexpr const char* kBoth =
    R"({"Network":"10.5.0.0/24","SubnetLen":27,"EnableIPv6":true,"IPv6Network":"fd00::/60"})";
constexpr const char* kAllOfIpv6 = "0.0.0.0-0&fd00::-60";
constexpr const char* kDual = "10.5.0.96-27&fd00:0:0:3::-64";

class LeaseExchangeTest : public ::testing::Test {
 protected:
  SimulatedStore store;
  LeaseAttributes announced{.public_ip = IpAddress::v4(192, 0, 2, 1),
                            .public_ip6 = IpAddress::parse_v6("2001:db8::1").value()};
  KeeperHost us{store, LeaseKeeper(
                           {}, parse_network_config(kV4)->config, announced.public_ips(),
                           [this](const Lease*) { return announced; }, std::nullopt,
                           [](std::uint64_t) { return std::uint64_t{2}; })};

  // Begins with a lease, and another host's record on all subnets of the other family.
  LeaseExchangeTest() {
    store.now = TimePoint(hours(1000));
    us.start();
    us.finish_calls();
    us.take_log();
    store.put(kAllOfIpv6, R"({"PublicIP":"192.0.2.9","PublicIPv6":"2001:db8::9"})", hours(24));
    follow(kBoth);
  }
  void follow(const char* config) {
    us.reconfigure(parse_network_config(config)->config);
    us.finish_calls();
  }
  void wait() {
    us.wait();
    us.finish_calls();
  }
  bool has_lease_of_both() const { return store.records.contains(kDual); }
};

TEST_F(LeaseExchangeTest, TheLeaseStaysAndTheReasonIsReported) {
  EXPECT_EQ(us.take_log().find("list | error: change the families of the lease: out of subnets"),
            0U);
  EXPECT_EQ(us.keeper.phase(), LeasePhase::active);
  EXPECT_EQ(store.records.size(), 2U);
}

TEST_F(LeaseExchangeTest, WhatStaysImpossibleIsReportedOnAndRarelyTriedAgain) {
  us.take_log();
  int lists = 0;
  for (const TimePoint began = store.now; store.now < began + hours(12);) {
    wait();
    const std::string log = us.take_log();
    if (log.starts_with("list")) ++lists;
    EXPECT_EQ(log.find("active"), std::string::npos) << "this would end the report: " << log;
  }
  EXPECT_GE(lists, 12);
  EXPECT_LE(lists, 40);
}

TEST_F(LeaseExchangeTest, ItIsTriedWithinAMinuteAfterARecordIsGone) {
  for (const TimePoint began = store.now; store.now < began + hours(3);)
    wait();
  const TimePoint gone_at = store.now;
  store.remove(kAllOfIpv6);
  us.finish_calls();
  while (!has_lease_of_both() && store.now < gone_at + hours(2))
    wait();
  EXPECT_TRUE(has_lease_of_both());
  EXPECT_LE(store.now - gone_at, minutes(1));
}

TEST_F(LeaseExchangeTest, ItsReportOutlivesALoss) {
  us.take_log();
  store.remove("10.5.0.96-27");
  us.finish_calls();
  const std::string log = us.take_log();
  const std::size_t active = log.find("active");
  ASSERT_NE(active, std::string::npos) << log;
  EXPECT_NE(log.find("error: change the families of the lease", active), std::string::npos) << log;
}

TEST_F(LeaseExchangeTest, AnAttemptWithoutAStoreChangesNothing) {
  for (int i = 0; i < 100 && !us.calls(); ++i)
    us.wait();
  ASSERT_TRUE(us.calls());
  us.take_log();
  const bool is_known = us.keeper.record() != nullptr;
  us.answer(KeeperHost::Fate::away);
  EXPECT_TRUE(is_known);
  EXPECT_EQ(us.keeper.phase(), LeasePhase::active);
  EXPECT_NE(us.keeper.record(), nullptr);
  EXPECT_EQ(us.take_log(), "");
}

TEST_F(LeaseExchangeTest, WhatEndsWhileItIsMadeIsNoLongerReported) {
  store.remove(kAllOfIpv6);
  us.deliver_changes();
  for (int i = 0; i < 100 && !us.calls(); ++i)
    us.wait();
  us.answer();  // the list; creates
  us.take_log();
  follow(kV4);
  EXPECT_NE(us.take_log().find("active 10.5.0.96/27@192.0.2.1"), std::string::npos);
}

TEST_F(LeaseExchangeTest, AStoreThatAnswersAgainIsAskedSoon) {
  for (const TimePoint began = store.now; store.now < began + hours(3);)
    wait();
  us.try_now();
  us.finish_calls();
  EXPECT_LE(us.keeper.next_wakeup() - store.now, minutes(1));
}

TEST_F(LeaseExchangeTest, AnotherChangeOfTheConfigurationDuringItIsNoReasonToListForEver) {
  store.remove(kAllOfIpv6);
  us.finish_calls();
  wait();
  ASSERT_TRUE(has_lease_of_both());
  const NetworkConfig ipv6 =
      parse_network_config(R"({"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00::/60"})")
          ->config;
  store.remove(kDual);  // so the record of IPv6 takes no other's place
  us.reconfigure(ipv6);
  us.answer();  // the list; creates
  us.reconfigure(ipv6);
  us.finish_calls();
  EXPECT_TRUE(store.records.contains("0.0.0.0-0&fd00:0:0:3::-64"));
  EXPECT_GT(us.keeper.next_wakeup(), store.now);
}

TEST_F(LeaseExchangeTest, WhatIsNoLongerWantedIsNoLongerReported) {
  us.take_log();
  follow(kV4);
  EXPECT_EQ(us.take_log(), "renew 10.5.0.96-27 | active 10.5.0.96/27@192.0.2.1");
}

}  // namespace
}  // namespace flannel::lease_keeper_exchange_test
