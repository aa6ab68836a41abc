// SPDX-License-Identifier: Apache-2.0
// An active lease: renewals, losses, changes by others.
#include <gtest/gtest.h>

#include "core/known_peers.h"
#include "support/active_lease.h"

namespace flannel::lease_keeper_scenario_test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using Fate = KeeperHost::Fate;

TEST_F(ActiveLeaseTest, EachRenewalExtendsTheLifeWithoutAWrite) {
  const auto changes = store.log.size();
  for (int i = 0; i < 5; ++i) {
    const TimePoint before = us.keeper.expires();
    us.wait();
    EXPECT_EQ(us.keeper.phase(), LeasePhase::renewing);
    EXPECT_EQ(log_when_finished(), "renew 10.5.0.32-27");
    EXPECT_EQ(us.keeper.phase(), LeasePhase::active);
    EXPECT_EQ(us.keeper.expires(), before + hours(8));
  }
  EXPECT_EQ(store.log.size(), changes);
}

TEST_F(ActiveLeaseTest, FailedRenewalIsRetriedForEverWithoutAlarm) {
  const TimePoint end = us.keeper.expires();
  us.wait();
  us.take_log();
  for (int i = 0; i < 5000; ++i) {
    us.answer(Fate::away);
    EXPECT_EQ(us.keeper.phase(), LeasePhase::renewing);
    EXPECT_EQ(us.keeper.expires(), end);
    ASSERT_LE(us.keeper.next_wakeup(), store.now + seconds(30));
    ASSERT_GE(us.keeper.next_wakeup(), store.now + milliseconds(250));
    store.now = us.keeper.next_wakeup();  // without pass(): the record does not expire
    us.tick();
    ASSERT_EQ(us.take_log(), "renew 10.5.0.32-27");
  }
  EXPECT_GT(store.now, end) << "the lease is long over as far as we know";
  us.answer();
  EXPECT_EQ(log_when_finished(), "");
  EXPECT_EQ(us.keeper.phase(), LeasePhase::active);
  EXPECT_EQ(us.keeper.expires(), store.now + hours(24));
}

TEST_F(ActiveLeaseTest, AReachableStoreStartsTheRenewalWithoutAPause) {
  us.wait();
  us.answer(Fate::away);
  us.take_log();
  us.try_now();
  EXPECT_EQ(log_when_finished(), "renew 10.5.0.32-27");
  EXPECT_EQ(us.keeper.phase(), LeasePhase::active);
  us.try_now();
  EXPECT_EQ(log_when_finished(), "renew 10.5.0.32-27") << "this host may have been suspended";
  store.put(kKey, ours(), std::nullopt);
  us.finish_calls();
  us.take_log();
  us.try_now();
  EXPECT_EQ(log_when_finished(), "") << "a reservation";
}

TEST_F(ActiveLeaseTest, OtherContentOfTheSameRevisionComesFromARestoredStore) {
  Record other = record();
  other.value = kStranger;
  const auto acts = us.keeper.on_change(store.now, RecordPut{other});
  ASSERT_EQ(acts.size(), 2U);
  EXPECT_EQ(std::get<ReportLost>(acts[0]).reason, "taken by 192.0.2.9");
}

TEST_F(ActiveLeaseTest, PausesGetShorterTowardsTheEndOfTheLease) {
  us.wait();
  store.now = us.keeper.expires() - seconds(2);
  us.answer(Fate::away);
  EXPECT_LE(us.keeper.next_wakeup(), store.now + milliseconds(500));
}

TEST_F(ActiveLeaseTest, TheReportOfOurOwnWriteHasNoEffect) {
  us.deliver_changes();
  EXPECT_EQ(us.take_log(), "");
  announced.backend_data = R"({"VNI":1})";
  us.reannounce();
  us.carry_out();
  us.deliver_changes();  // before the reply
  EXPECT_EQ(us.take_log(), "replace 10.5.0.32-27");
  us.reply();
  EXPECT_EQ(us.take_log(), "active 10.5.0.32/27@192.0.2.1");
  EXPECT_EQ(log_when_finished(), "");
}

TEST_F(ActiveLeaseTest, RemovedRecordIsReportedAndCreatedAgain) {
  store.remove(kKey);
  us.deliver_changes();
  EXPECT_EQ(us.take_log(), "lost: its record was removed | list");
  EXPECT_EQ(us.keeper.phase(), LeasePhase::listing);
  EXPECT_EQ(to_string(us.keeper.lease()->subnet), "10.5.0.32/27") << "the data plane goes on";
  EXPECT_EQ(us.keeper.expires(), kNever);
  EXPECT_EQ(log_when_finished(), "create 10.5.0.32-27 | active 10.5.0.32/27@192.0.2.1");
}

TEST_F(ActiveLeaseTest, ALostLeaseIsBackWithinTheGracePeriodAfterTwoFailures) {
  const TimePoint lost = store.now;
  store.remove(kKey);
  us.deliver_changes();
  us.answer(Fate::away);
  us.wait();
  us.answer();
  us.answer(Fate::away);
  us.wait();
  us.finish_calls();
  EXPECT_EQ(us.keeper.phase(), LeasePhase::active);
  EXPECT_LT(store.now - lost, KnownPeers::kGracePeriod);
}

TEST_F(ActiveLeaseTest, RecordThatExpiredWhileWeWereAwayIsCreatedAgain) {
  store.pass(hours(25));  // suspended or cut off, so that no change is delivered
  us.tick();
  us.answer();
  EXPECT_EQ(us.take_log(), "renew 10.5.0.32-27 | list");
  EXPECT_EQ(log_when_finished(),
            "lost: its record is gone from the store | create 10.5.0.32-27 | "
            "active 10.5.0.32/27@192.0.2.1");
}

TEST_F(ActiveLeaseTest, ATakenSubnetIsRetriedAndNotExchanged) {
  store.remove(kKey);
  store.put(kKey, kStranger, hours(24));
  EXPECT_EQ(log_when_finished(),
            "lost: its record was removed | list | "
            "error: cannot take 10.5.0.32/27 again: 192.0.2.9 has 10.5.0.32-27");
  EXPECT_EQ(us.keeper.phase(), LeasePhase::listing);
  for (int i = 0; i < 20; ++i) {
    us.wait();
    EXPECT_EQ(log_when_finished(),
              "list | error: cannot take 10.5.0.32/27 again: 192.0.2.9 has 10.5.0.32-27");
  }
  EXPECT_EQ(record().value, kStranger) << "never written over";
  EXPECT_EQ(store.records.size(), 1U);

  store.remove(kKey);
  us.wait();
  EXPECT_EQ(log_when_finished(), "list | create 10.5.0.32-27 | active 10.5.0.32/27@192.0.2.1");
}

TEST_F(ActiveLeaseTest, ForeignWriteOnOurKeyIsAConflict) {
  store.put(kKey, kStranger, hours(24));
  EXPECT_EQ(log_when_finished(),
            "lost: taken by 192.0.2.9 | list | "
            "error: cannot take 10.5.0.32/27 again: 192.0.2.9 has 10.5.0.32-27");
}

TEST_F(ActiveLeaseTest, ForeignWriteIsFoundByTheRenewalIfTheWatchIsSilent) {
  store.put(kKey, kStranger, hours(24));
  us.wait();
  us.answer();
  us.answer();
  EXPECT_EQ(us.take_log(),
            "renew 10.5.0.32-27 | list | lost: taken: 192.0.2.9 has 10.5.0.32-27 | "
            "error: cannot take 10.5.0.32/27 again: 192.0.2.9 has 10.5.0.32-27");
}

TEST_F(ActiveLeaseTest, OverlapByAnotherLengthIsAConflictToo) {
  store.remove(kKey);
  store.put("10.5.0.32-28", kStranger, hours(1));
  EXPECT_EQ(log_when_finished(),
            "lost: its record was removed | list | "
            "error: cannot take 10.5.0.32/27 again: 192.0.2.9 has 10.5.0.32-28");
  store.put("10.5.0.32-28", "garbage", hours(1));
  us.wait();
  EXPECT_EQ(log_when_finished(),
            "list | error: cannot take 10.5.0.32/27 again: a record that is no lease has "
            "10.5.0.32-28");
}

TEST_F(ActiveLeaseTest, RecordsBesideOrAroundTheNetworkAreNoConflict) {
  store.put("0.0.0.0-0", kStranger, hours(24));
  store.put("10.5.0.32-27&fd00::-64", ours(), hours(24));
  store.remove(kKey);
  EXPECT_EQ(log_when_finished(),
            "lost: its record was removed | list | create 10.5.0.32-27 | list | "
            "release 10.5.0.32-27&fd00::-64 | list | replace 10.5.0.32-27 | "
            "active 10.5.0.32/27@192.0.2.1");
}

TEST_F(ActiveLeaseTest, ChangesOfOtherKeysAreIgnored) {
  store.put("10.5.0.32-27&fd00::-64", kStranger, hours(24));
  store.put("10.5.0.32-2", kStranger, hours(24));
  store.remove("10.5.0.32-27&fd00::-64");
  EXPECT_EQ(log_when_finished(), "");
  EXPECT_EQ(us.keeper.phase(), LeasePhase::active);
  EXPECT_TRUE(us.keeper.on_change(store.now, ConfigGone{99}).empty());
}

TEST_F(ActiveLeaseTest, ARemovedTtlMakesTheLeaseAReservation) {
  store.put(kKey, ours(), std::nullopt);
  EXPECT_EQ(log_when_finished(), "");
  EXPECT_EQ(us.keeper.phase(), LeasePhase::active);
  EXPECT_EQ(us.keeper.expires(), kNever);
  EXPECT_EQ(us.keeper.next_wakeup(), kNever);

  store.put(kKey, ours(), hours(2));
  EXPECT_EQ(log_when_finished(), "renew 10.5.0.32-27")
      << "a lease again, whose life only a renewal shows";
  EXPECT_EQ(us.keeper.expires(), store.now + hours(24));
}

TEST_F(ActiveLeaseTest, AReservationThatARestoredStoreHasAsALeaseIsListedAgain) {
  const Record before = record();
  store.put(kKey, ours(), std::nullopt);
  EXPECT_EQ(log_when_finished(), "");
  store.put(kKey, ours(), hours(24), before.expiry_handle);
  us.keeper.on_change(store.now, RecordPut{before});  // the store was restored from a backup
  EXPECT_EQ(us.keeper.phase(), LeasePhase::listing) << "a list shows whether it expires";
}

TEST_F(ActiveLeaseTest, AReservationWithAnotherValueIsReplaced) {
  store.put(kKey, R"({"PublicIP":"192.0.2.1"})", std::nullopt);
  EXPECT_EQ(log_when_finished(), "replace 10.5.0.32-27 for ever");
  EXPECT_EQ(record().value, ours());
  EXPECT_EQ(us.keeper.expires(), kNever);
}

TEST_F(ActiveLeaseTest, AWriteUnderAnotherExpiryHandleIsFollowedByARenewal) {
  store.put(kKey, ours(), hours(24));
  EXPECT_EQ(log_when_finished(), "renew 10.5.0.32-27");
  us.wait();
  EXPECT_EQ(log_when_finished(), "renew 10.5.0.32-27") << "at the new revision";
}

TEST_F(ActiveLeaseTest, EditsOfOurValueAreReplaced) {
  store.put(kKey, R"({"PublicIP":"192.0.2.1","BackendType":"host-gw"})", hours(24));
  EXPECT_EQ(log_when_finished(), "replace 10.5.0.32-27");
  EXPECT_EQ(record().value, ours());
  store.pass(minutes(10));
  store.put(kKey, "garbage", hours(24));
  EXPECT_EQ(log_when_finished(), "replace 10.5.0.32-27") << "the value names no other host";
  EXPECT_EQ(record().value, ours());
}

TEST_F(ActiveLeaseTest, TwoHostsWithOnePublicIpOverwriteEachOtherWithPauses) {
  LeaseAttributes other = announced;
  other.backend_type = "host-gw";
  KeeperHost twin{store, LeaseKeeper(
                             {}, config(), other.public_ip, [&](const Lease*) { return other; },
                             std::nullopt, draw_first)};
  const auto before = store.log.size();
  const TimePoint end = store.now + minutes(10);
  twin.start();
  std::string log;
  while (store.now < end) {
    us.finish_calls();
    twin.finish_calls();
    us.finish_calls();
    log += us.take_log();
    store.pass(milliseconds(100));
    us.tick();
    twin.tick();
  }
  EXPECT_LT(store.log.size() - before, 120U);
  EXPECT_NE(log.find("is 192.0.2.1 the public IP of two hosts?"), std::string::npos);
}

TEST_F(ActiveLeaseTest, NewPublicIpIsAnnouncedUnderTheSameSubnet) {
  announced.public_ip = IpAddress::v4(198, 51, 100, 7);
  us.reannounce();
  EXPECT_EQ(log_when_finished(), "replace 10.5.0.32-27 | active 10.5.0.32/27@198.51.100.7");
  EXPECT_EQ(record().value, ours());
  us.reannounce();
  EXPECT_EQ(log_when_finished(), "") << "nothing new";
  us.wait();
  EXPECT_EQ(log_when_finished(), "renew 10.5.0.32-27");
}

TEST_F(ActiveLeaseTest, NewPublicIpWhileTheStoreIsAwayOrACallIsUnderWay) {
  announced.public_ip = IpAddress::v4(198, 51, 100, 7);
  us.reannounce();
  us.answer(Fate::reply_lost);
  EXPECT_EQ(us.take_log(), "replace 10.5.0.32-27 | error: write 10.5.0.32-27: store away");
  us.wait();
  EXPECT_EQ(log_when_finished(),
            "replace 10.5.0.32-27 | list | renew 10.5.0.32-27 | "
            "active 10.5.0.32/27@198.51.100.7")
      << "no loss is reported, since the record has our new address";

  us.wait();
  announced.public_ip = IpAddress::v4(198, 51, 100, 8);
  us.reannounce();
  EXPECT_EQ(us.take_log(), "renew 10.5.0.32-27") << "one call at a time";
  EXPECT_EQ(log_when_finished(), "replace 10.5.0.32-27 | active 10.5.0.32/27@198.51.100.8");
}

TEST_F(ActiveLeaseTest, RecordWithOurOldPublicIpIsStillOurs) {
  store.put(kKey, ours(), hours(24));
  announced.public_ip = IpAddress::v4(198, 51, 100, 7);
  us.reannounce();
  us.answer();
  EXPECT_EQ(us.take_log(), "replace 10.5.0.32-27 | list");
  EXPECT_EQ(log_when_finished(), "replace 10.5.0.32-27 | active 10.5.0.32/27@198.51.100.7");
}

TEST_F(ActiveLeaseTest, LostReplyExplainedByTheWatchNeedsNoList) {
  announced.public_ip = IpAddress::v4(198, 51, 100, 7);
  us.reannounce();
  us.carry_out(Fate::reply_lost);
  us.deliver_changes();
  us.reply();
  us.wait();
  EXPECT_EQ(log_when_finished(),
            "replace 10.5.0.32-27 | error: write 10.5.0.32-27: store away | "
            "renew 10.5.0.32-27 | active 10.5.0.32/27@198.51.100.7");
}

TEST_F(ActiveLeaseTest, ALossReportedDuringARenewalIsHandledAfterTheAnswer) {
  us.wait();
  us.carry_out();
  store.put(kKey, kStranger, hours(24));
  us.deliver_changes();
  us.reply();
  EXPECT_EQ(us.take_log(), "renew 10.5.0.32-27 | lost: taken by 192.0.2.9 | list");
}

TEST_F(ActiveLeaseTest, AnOldChangeOfALaggingWatchCausesARenewal) {
  const Revision old = record().revision;
  store.put("10.5.0.64-27", kStranger, hours(24));
  announced.backend_data = "{}";
  us.reannounce();
  log_when_finished();
  us.keeper.on_change(store.now, RecordPut{record()});
  EXPECT_TRUE(us.keeper.on_change(store.now, RecordPut{{kKey, ours(), old, record().expiry_handle}})
                  .empty());
  const auto acts = us.keeper.on_change(store.now, RecordGone{kKey, old});
  ASSERT_EQ(acts.size(), 1U);
  EXPECT_EQ(std::get<RenewRecord>(acts[0]).seen, record());
}

TEST_F(ActiveLeaseTest, ARestoredStoreGetsTheRecordAgain) {
  store.put("10.5.0.64-27", kStranger, hours(24));
  announced.backend_data = "{}";
  us.reannounce();
  log_when_finished();
  store = SimulatedStore();  // restored from a backup before our time
  store.now = TimePoint(hours(1001));
  const auto acts = us.keeper.on_change(store.now, RecordGone{kKey, 1});
  ASSERT_EQ(acts.size(), 1U);
  const auto& renew = std::get<RenewRecord>(acts[0]);
  const auto next = us.keeper.on_renewed(store.now, store.now, store.renew(renew.seen, renew.ttl));
  ASSERT_EQ(next.size(), 1U);
  const auto last = us.keeper.on_snapshot(store.now, store.snapshot());
  ASSERT_EQ(last.size(), 2U);
  EXPECT_EQ(std::get<ReportLost>(last[0]).reason, "its record is gone from the store");
  EXPECT_EQ(std::get<CreateRecord>(last[1]).key, kKey);
}

}  // namespace
}  // namespace flannel::lease_keeper_scenario_test
