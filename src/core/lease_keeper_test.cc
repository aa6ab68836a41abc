// SPDX-License-Identifier: Apache-2.0
// The times of renewals and retries, and the first acquisition.
#include "core/lease_keeper.h"

#include <gtest/gtest.h>

#include "core/renewal_time.h"
#include "support/keeper_host.h"

namespace flannel::lease_keeper_test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Fate = KeeperHost::Fate;

Random always(std::uint64_t n) {
  return [n](std::uint64_t bound) { return std::min(n, bound - 1); };
}

TEST(RenewalTimeTest, IsAThirdOfTheLifeOrTheMarginWhateverComesFirst) {
  const TimePoint sent{hours(5)};
  EXPECT_EQ(renewal_time(sent, hours(24), hours(1), always(0)), sent + hours(8));
  EXPECT_EQ(renewal_time(sent, hours(24), hours(20), always(0)), sent + hours(4));
  EXPECT_EQ(renewal_time(sent, hours(24), hours(24), always(0)), sent + hours(8))
      << "a margin that leaves nothing";
  EXPECT_EQ(lease_end(sent, hours(24)), sent + hours(24));
}

TEST(RenewalTimeTest, ChanceMakesItUpToATenthEarlierNeverLater) {
  const TimePoint sent{hours(5)};
  const auto latest = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(renewal_time(sent, hours(30), hours(1), always(latest)), sent + hours(9));
}

TEST(RenewalTimeTest, AbsurdLivesOverflowNothing) {
  const TimePoint sent{hours(24 * 365)};
  EXPECT_GT(lease_end(sent, seconds::max()), sent + hours(24 * 365 * 90));
  EXPECT_EQ(lease_end(sent, seconds(0)), sent + seconds(1));
  EXPECT_EQ(lease_end(sent, seconds::min()), sent + seconds(1));
  EXPECT_GT(renewal_time(sent, seconds(-5), hours(1), always(0)), sent);
}

class LeaseKeeperTest : public ::testing::Test {
 protected:
  SimulatedStore store;
  LeaseAttributes announced{.public_ip = IpAddress::v4(192, 0, 2, 1),
                            .backend_type = "vxlan",
                            .backend_data = R"({"VNI":1})"};
  std::optional<Lease> given_previous;  // what announce() was last given

  LeaseKeeperTest() { store.now = TimePoint(hours(1000)); }

  KeeperHost host(std::optional<const char*> previous = std::nullopt, std::uint64_t chance = 0) {
    std::optional<SubnetKey> before;
    if (previous) before = SubnetKey::of(IpPrefix::parse_v4(*previous).value());
    auto announce = [this](const Lease* seen) {
      given_previous = seen != nullptr ? std::optional(*seen) : std::nullopt;
      return announced;
    };
    const char* text = R"({"Network":"10.5.0.0/24","SubnetLen":27})";
    return {store, LeaseKeeper({}, parse_network_config(text)->config, announced.public_ip,
                               announce, before, always(chance))};
  }
  std::string ours() const { return encode_lease_value(announced); }
  const std::string& stored(const std::string& key) { return store.records.at(key).value; }
};

TEST_F(LeaseKeeperTest, FirstAcquisitionListsCreatesAndHolds) {
  KeeperHost us = host();
  us.start();
  EXPECT_EQ(us.keeper.phase(), LeasePhase::listing);
  us.answer();
  EXPECT_EQ(us.keeper.phase(), LeasePhase::writing);
  EXPECT_FALSE(us.keeper.lease());
  us.answer();
  EXPECT_EQ(us.take_log(), "list | create 10.5.0.32-27 | active 10.5.0.32/27@192.0.2.1");
  EXPECT_EQ(us.keeper.phase(), LeasePhase::active);
  EXPECT_EQ(to_string(us.keeper.lease()->subnet), "10.5.0.32/27");
  EXPECT_EQ(us.keeper.expires(), store.now + hours(24));
  EXPECT_EQ(us.keeper.next_wakeup(), store.now + hours(8));
  EXPECT_EQ(stored("10.5.0.32-27"), ours());
  EXPECT_TRUE(store.records.at("10.5.0.32-27").expires());
}

TEST_F(LeaseKeeperTest, LifeCountsFromTheSendingOfTheCall) {
  KeeperHost us = host();
  us.start();
  us.answer();
  const TimePoint sent = store.now;
  us.carry_out();
  store.now += seconds(40);
  us.reply();
  EXPECT_EQ(us.keeper.expires(), sent + hours(24));
  EXPECT_EQ(us.keeper.next_wakeup(), sent + hours(8));
}

TEST_F(LeaseKeeperTest, PreviousSubnetIsLeasedAgain) {
  KeeperHost us = host("10.5.0.96/27");
  us.start();
  us.finish_calls();
  EXPECT_EQ(us.take_log(), "list | create 10.5.0.96-27 | active 10.5.0.96/27@192.0.2.1");
}

TEST_F(LeaseKeeperTest, PreviousSubnetIsPreferredToALeaseOfARestoredStore) {
  store.put("10.5.0.64-27", ours(), hours(2));
  KeeperHost us = host("10.5.0.96/27");
  us.start();
  us.finish_calls();
  EXPECT_EQ(us.take_log(),
            "list | release 10.5.0.64-27 | list | create 10.5.0.96-27 | "
            "active 10.5.0.96/27@192.0.2.1");
}

TEST_F(LeaseKeeperTest, OwnRecordWithAnEqualValueIsRenewedWithoutAWrite) {
  store.put("10.5.0.64-27", ours(), hours(2));
  const auto changes = store.log.size();
  KeeperHost us = host();
  us.start();
  us.finish_calls();
  EXPECT_EQ(us.take_log(), "list | renew 10.5.0.64-27 | active 10.5.0.64/27@192.0.2.1");
  EXPECT_EQ(store.log.size(), changes) << "other hosts see no change";
  EXPECT_EQ(us.keeper.expires(), store.now + hours(24));
}

TEST_F(LeaseKeeperTest, OwnRecordWithAnotherValueIsReplaced) {
  store.put("10.5.0.64-27", R"({"PublicIP":"192.0.2.1","BackendData":{"VNI":7}})", hours(2));
  KeeperHost us = host();
  us.start();
  us.finish_calls();
  EXPECT_EQ(us.take_log(), "list | replace 10.5.0.64-27 | active 10.5.0.64/27@192.0.2.1");
  EXPECT_EQ(stored("10.5.0.64-27"), ours());
  EXPECT_EQ(given_previous->attributes.backend_data, R"({"VNI":7})") << "so that a MAC can be kept";
}

TEST_F(LeaseKeeperTest, AReservationGetsOurValueAndIsNeverRenewed) {
  store.put("10.5.0.64-27", R"({"PublicIP":"192.0.2.1"})", std::nullopt);
  KeeperHost us = host();
  us.start();
  us.finish_calls();
  EXPECT_EQ(us.take_log(), "list | replace 10.5.0.64-27 for ever | active 10.5.0.64/27@192.0.2.1");
  EXPECT_FALSE(store.records.at("10.5.0.64-27").expires());
  EXPECT_EQ(us.keeper.expires(), kNever);
  EXPECT_EQ(us.keeper.next_wakeup(), kNever);

  KeeperHost again = host();
  again.start();
  again.finish_calls();
  EXPECT_EQ(again.take_log(), "list | active 10.5.0.64/27@192.0.2.1") << "nothing to write";
  EXPECT_EQ(again.keeper.phase(), LeasePhase::active);
  EXPECT_EQ(again.keeper.next_wakeup(), kNever);
}

TEST_F(LeaseKeeperTest, OwnRecordThatDoesNotFitIsReleasedFirst) {
  store.put("10.9.0.0-24", ours(), hours(2));
  KeeperHost us = host();
  us.start();
  us.finish_calls();
  EXPECT_EQ(us.take_log(),
            "list | release 10.9.0.0-24 | list | create 10.5.0.32-27 | "
            "active 10.5.0.32/27@192.0.2.1");
  EXPECT_FALSE(store.records.contains("10.9.0.0-24"));
}

TEST_F(LeaseKeeperTest, DroppingTheIPv6PartOfAKeyKeepsTheSubnet) {
  store.put("10.5.0.96-27&fd00::-64", ours(), hours(2));
  KeeperHost us = host();
  us.start();
  us.finish_calls();
  EXPECT_EQ(us.take_log(),
            "list | create 10.5.0.96-27 | list | release 10.5.0.96-27&fd00::-64 | list | "
            "replace 10.5.0.96-27 | active 10.5.0.96/27@192.0.2.1");
}

TEST_F(LeaseKeeperTest, AfterALostRaceAnotherSubnetIsTriedAtOnce) {
  KeeperHost us = host();
  us.start();
  us.answer();
  store.put("10.5.0.32-27", R"({"PublicIP":"192.0.2.2"})", hours(24));
  us.finish_calls();
  EXPECT_EQ(us.take_log(),
            "list | create 10.5.0.32-27 | list | create 10.5.0.64-27 | "
            "active 10.5.0.64/27@192.0.2.1");
}

TEST_F(LeaseKeeperTest, AfterFourLostRacesThereIsAPause) {
  KeeperHost us = host(std::nullopt, 5);
  us.start();
  for (int i = 0; i < 4; ++i) {
    us.answer();  // the list
    const std::string log = us.take_log();
    const std::string key = log.substr(log.find("create ") + 7);
    store.put(key, R"({"PublicIP":"192.0.2.2"})", hours(24));
    us.answer();  // the create comes too late
  }
  EXPECT_FALSE(us.calls());
  EXPECT_GT(us.keeper.next_wakeup(), store.now);
  EXPECT_LT(us.keeper.next_wakeup(), store.now + seconds(1));
  us.wait();
  us.finish_calls();
  EXPECT_EQ(us.keeper.phase(), LeasePhase::active);
}

TEST_F(LeaseKeeperTest, AKeyThatIsAlwaysRefusedIsReportedAndRetriedWithGrowingPauses) {
  store.hidden = "10.5.0.96-27";
  KeeperHost us = host("10.5.0.96/27", std::numeric_limits<std::uint64_t>::max());
  us.start();
  us.finish_calls();
  const std::string once = "list | create 10.5.0.96-27";
  const std::string failed = once + " | error: create 10.5.0.96-27: 10.5.0.96-27 exists";
  EXPECT_EQ(us.take_log(), once + " | " + once + " | " + once + " | " + failed);
  for (const int expected : {1, 2, 4, 8, 16, 30, 30}) {
    EXPECT_EQ(us.keeper.next_wakeup(), store.now + seconds(expected));
    us.wait();
    us.finish_calls();
    EXPECT_EQ(us.take_log(), failed);
  }
  store.hidden.clear();
  us.wait();
  us.finish_calls();
  EXPECT_EQ(us.take_log(), once + " | active 10.5.0.96/27@192.0.2.1");
}

TEST_F(LeaseKeeperTest, AnUnreachableStoreIsRetriedWithPausesUpToHalfAMinute) {
  KeeperHost us = host(std::nullopt, std::numeric_limits<std::uint64_t>::max());
  us.start();
  EXPECT_EQ(us.take_log(), "list");
  for (const int expected : {1, 2, 4, 8, 16, 30, 30}) {
    us.answer(Fate::away);
    EXPECT_EQ(us.take_log(), "error: list the leases: store away");
    EXPECT_EQ(us.keeper.phase(), LeasePhase::listing);
    EXPECT_EQ(us.keeper.next_wakeup(), store.now + seconds(expected));
    us.tick();
    EXPECT_EQ(us.take_log(), "") << "not before the time";
    us.wait();
    EXPECT_EQ(us.take_log(), "list");
  }
  us.finish_calls();
  EXPECT_EQ(us.keeper.phase(), LeasePhase::active);

  KeeperHost lucky = host();
  lucky.start();
  lucky.answer(Fate::away);
  EXPECT_EQ(lucky.keeper.next_wakeup(), store.now + milliseconds(500)) << "the least pause";
}

TEST_F(LeaseKeeperTest, AWriteWhoseReplyWasLostIsFoundByAList) {
  KeeperHost us = host();
  us.start();
  us.answer();
  us.answer(Fate::reply_lost);
  EXPECT_EQ(us.take_log(), "list | create 10.5.0.32-27 | error: create 10.5.0.32-27: store away");
  EXPECT_EQ(us.keeper.phase(), LeasePhase::listing)
      << "only a list can show whether the record exists";
  us.deliver_changes();
  us.wait();
  EXPECT_EQ(us.keeper.phase(), LeasePhase::listing);
  us.finish_calls();
  EXPECT_EQ(us.take_log(), "list | renew 10.5.0.32-27 | active 10.5.0.32/27@192.0.2.1");
  EXPECT_EQ(store.records.size(), 1U);
}

TEST_F(LeaseKeeperTest, OutOfSubnetsIsReportedAndTriedAgain) {
  store.put("10.5.0.0-24", R"({"PublicIP":"192.0.2.2"})", hours(1));
  KeeperHost us = host();
  us.start();
  us.finish_calls();
  EXPECT_EQ(us.take_log(),
            "list | error: out of subnets: all 7 of /27 from 10.5.0.32 to 10.5.0.224 are taken");
  store.pass(hours(1));
  us.tick();
  us.finish_calls();
  EXPECT_EQ(us.take_log(), "list | create 10.5.0.32-27 | active 10.5.0.32/27@192.0.2.1");
}

TEST_F(LeaseKeeperTest, AReservationGivenAwayDuringTheFirstListIsLost) {
  store.put("10.5.0.64-27", ours(), std::nullopt);
  KeeperHost us = host();
  us.start();
  us.carry_out();  // the list is on its way
  store.put("10.5.0.64-27", R"({"PublicIP":"192.0.2.2"})", std::nullopt);
  us.deliver_changes();
  us.finish_calls();
  EXPECT_EQ(us.take_log(),
            "list | active 10.5.0.64/27@192.0.2.1 | lost: taken by 192.0.2.2 | list | "
            "error: cannot take 10.5.0.64/27 again: 192.0.2.2 has 10.5.0.64-27");
}

TEST_F(LeaseKeeperTest, AnotherMarginRenewsAtOnceAndDecidesTheNextRenewal) {
  KeeperHost us = host();
  us.start();
  us.finish_calls();
  us.take_log();
  us.set_options(hours(1), true);
  EXPECT_EQ(us.take_log(), "") << "the margin is the same";
  us.set_options(hours(20), true);
  us.finish_calls();
  EXPECT_EQ(us.take_log(), "renew 10.5.0.32-27");
  EXPECT_EQ(us.keeper.next_wakeup(), store.now + hours(4));
}

TEST_F(LeaseKeeperTest, AHostThatMayRenumberFromNowOnLeavesTheSubnetThatItHasLost) {
  KeeperHost us = host();
  us.start();
  us.finish_calls();
  store.put("10.5.0.32-27", R"({"PublicIP":"192.0.2.2"})", hours(24));
  us.finish_calls();
  EXPECT_NE(us.take_log().find("lost: taken by 192.0.2.2"), std::string::npos);
  us.set_options(hours(1), true);
  us.wait();
  us.finish_calls();
  EXPECT_EQ(to_string(us.keeper.lease()->subnet), "10.5.0.64/27");
  EXPECT_EQ(us.keeper.phase(), LeasePhase::active);
}

}  // namespace
}  // namespace flannel::lease_keeper_test
