// SPDX-License-Identifier: Apache-2.0
// The lease keeper of a host that is drained and undrained, in each state and with each fate of the
// calls.
#include <gtest/gtest.h>

#include "core/lease_keeper.h"
#include "support/active_lease.h"

namespace flannel::lease_keeper_drain_test {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using Fate = KeeperHost::Fate;

constexpr const char* kGone = "list | release 10.5.0.32-27 | list | drained";
constexpr const char* kBack = "list | create 10.5.0.32-27 | active 10.5.0.32/27@192.0.2.1";

class DrainTest : public ActiveLeaseTest {
 protected:
  void drain() {
    us.drain();
    EXPECT_EQ(log_when_finished(), kGone);
    EXPECT_TRUE(store.records.empty());
    EXPECT_EQ(us.keeper.phase(), LeasePhase::drained);
  }
};

TEST_F(DrainTest, TheRecordIsDeletedAndTheSubnetComesBack) {
  drain();
  ASSERT_TRUE(us.keeper.lease()) << "the data plane has the subnet still";
  EXPECT_EQ(us.keeper.expires(), kNever);
  EXPECT_EQ(us.keeper.next_wakeup(), kNever);
  us.drain();
  EXPECT_EQ(us.take_log(), "") << "it is drained already";
  us.undrain();
  EXPECT_EQ(log_when_finished(), kBack);
  EXPECT_EQ(store.records.at(kKey).value, ours());
  us.undrain();
  EXPECT_EQ(us.take_log(), "");
}

TEST_F(DrainTest, NothingWritesTheRecordBack) {
  drain();
  announced.backend_data = "{}";
  us.reannounce();
  us.reconfigure(parse_network_config(R"({"Network":"10.5.0.0/23","SubnetLen":27})")->config);
  us.reconfigure(
      parse_network_config(
          R"({"Network":"10.5.0.0/24","SubnetLen":27,"EnableIPv6":true,"IPv6Network":"fd00::/60"})")
          ->config);
  us.keeper.on_other_store(false);
  store.pass(hours(30));
  us.tick();
  EXPECT_EQ(log_when_finished(), "");
  us.try_now();
  EXPECT_EQ(log_when_finished(), "list | drained");
  EXPECT_TRUE(store.records.empty());
}

TEST_F(DrainTest, AChangeOfOurRecordByOthersIsNotWrittenBackEither) {
  store.put(kKey, R"({"PublicIP":"192.0.2.1"})", hours(24));
  us.drain();
  EXPECT_EQ(log_when_finished(), kGone);
  store.put(kKey, kStranger, hours(24));
  EXPECT_EQ(log_when_finished(), "") << "it is another host's";
  store.remove(kKey);
  EXPECT_EQ(log_when_finished(), "");
}

TEST_F(DrainTest, AStoreThatIsAwayIsAskedUntilTheRecordIsGone) {
  us.drain();
  us.answer(Fate::away);
  EXPECT_EQ(us.take_log(), "list | error: list the leases: store away");
  EXPECT_EQ(us.keeper.phase(), LeasePhase::draining);
  us.wait();
  us.answer();
  us.answer(Fate::away);
  EXPECT_EQ(us.take_log(), "list | release 10.5.0.32-27 | error: release the lease: store away");
  us.wait();
  us.answer();
  us.answer(Fate::reply_lost);
  EXPECT_EQ(us.take_log(), "list | release 10.5.0.32-27 | error: release the lease: store away");
  us.wait();
  EXPECT_EQ(log_when_finished(), "list | drained");
}

TEST_F(DrainTest, AnExpiryInTheStoreCountsAsDone) {
  us.drain();
  us.answer(Fate::away);
  us.take_log();
  store.pass(hours(25));
  us.tick();
  EXPECT_EQ(log_when_finished(), "list | drained");
}

TEST_F(DrainTest, ARecordThatComesBackIsDeletedAgainAndAfterThatWithPauses) {
  drain();
  for (const bool first : {true, false}) {
    store.put(kKey, ours(), hours(24));
    us.deliver_changes();
    EXPECT_EQ(us.calls(), first) << "two hosts do not overwrite each other without pauses";
    if (!us.calls()) us.wait();
    EXPECT_EQ(log_when_finished(), kGone);
  }
  store.pass(minutes(6));
  store.put(kKey, ours(), hours(24));
  us.deliver_changes();
  EXPECT_TRUE(us.calls());
}

TEST_F(DrainTest, AWriteThatTakesEffectLateIsFound) {
  announced.backend_data = "{}";
  us.reannounce();
  us.drain();
  EXPECT_EQ(us.take_log(), "replace 10.5.0.32-27");
  us.answer(Fate::away);
  us.answer();
  us.carry_out();  // deletes the record
  us.deliver_changes();
  us.reply();
  us.carry_out();
  store.put(kKey, ours(), hours(24));  // the replacement of before
  us.deliver_changes();
  us.reply();
  EXPECT_EQ(log_when_finished(),
            "list | release 10.5.0.32-27 | list | drained | list | release 10.5.0.32-27 | list | "
            "drained");
  EXPECT_TRUE(store.records.empty());
}

TEST_F(DrainTest, AReservationStays) {
  store.put(kKey, ours(), std::nullopt);
  log_when_finished();
  us.drain();
  EXPECT_EQ(log_when_finished(), "list | drained, 10.5.0.32-27 stays");
  store.put(kKey, ours(), hours(24));  // unreserve
  EXPECT_EQ(log_when_finished(), kGone);
  store.put("10.5.0.64-27", R"({"PublicIP":"192.0.2.1"})", std::nullopt);
  us.deliver_changes();
  us.wait();
  EXPECT_EQ(log_when_finished(), "list | drained, 10.5.0.64-27 stays");
  store.remove("10.5.0.64-27");
  us.deliver_changes();
  us.wait();
  EXPECT_EQ(log_when_finished(), "list | drained");
}

TEST_F(DrainTest, ASubnetThatAnotherHostHasTakenIsReportedAsLost) {
  drain();
  store.put(kKey, kStranger, hours(1));
  us.undrain();
  EXPECT_EQ(log_when_finished(),
            "list | lost: taken: 192.0.2.9 has 10.5.0.32-27 | "
            "error: cannot take 10.5.0.32/27 again: 192.0.2.9 has 10.5.0.32-27");
  EXPECT_EQ(to_string(us.keeper.lease()->subnet), "10.5.0.32/27");
  store.pass(hours(2));
  us.tick();
  EXPECT_EQ(log_when_finished(), kBack);
}

TEST_F(DrainTest, AnotherStoreIsNoReasonToTakeAnotherSubnet) {
  drain();
  us.keeper.on_other_store(false);
  store.put(kKey, kStranger, hours(1));
  us.undrain();
  us.finish_calls();
  EXPECT_EQ(to_string(us.keeper.lease()->subnet), "10.5.0.32/27");
}

TEST_F(DrainTest, BothRecordsOfAnExchangeAreDeleted) {
  store.put("10.5.0.32-27&fd00::-64", ours(), hours(24));
  us.drain();
  EXPECT_EQ(log_when_finished(),
            "list | release 10.5.0.32-27 | list | release 10.5.0.32-27&fd00::-64 | list | drained");
}

TEST_F(DrainTest, ALostLeaseCanBeDrained) {
  store.put(kKey, kStranger, hours(1));
  us.finish_calls();
  us.take_log();
  us.drain();
  EXPECT_EQ(log_when_finished(), "list | drained");
  us.undrain();
  EXPECT_EQ(us.keeper.phase(), LeasePhase::listing);
  us.finish_calls();
  EXPECT_NE(us.take_log().find("lost: taken: 192.0.2.9 has 10.5.0.32-27"), std::string::npos);
}

// A drain begins before each call and in each half of it, and the call ends in each way that a call
// can end: the record is gone in the end. An undrain at any such moment brings the lease back.
class AnyMomentTest : public ::testing::TestWithParam<std::tuple<int, Fate, bool>> {
 protected:
  AnyMomentTest() { store.now = TimePoint(hours(1000)); }

  static void finish(KeeperHost& us) {
    for (int i = 0; i < 5; ++i) {
      us.finish_calls();
      if (us.keeper.next_wakeup() != kNever && us.keeper.phase() != LeasePhase::active) us.wait();
    }
    us.finish_calls();
    us.deliver_changes();
    us.finish_calls();
  }

  SimulatedStore store;
};

std::string keys_of(const SimulatedStore& store) {
  std::string text;
  for (const auto& [key, record] : store.records)
    text += key + " ";
  return text;
}

// Advances by one half of a call, or by the wait for the next one.
void step(KeeperHost& us, Fate fate) {
  if (us.calls()) return us.carry_out(fate);
  us.deliver_changes();
  if (us.answered()) return us.reply();
  if (us.keeper.next_wakeup() != kNever) us.wait();
}

TEST_P(AnyMomentTest, ADrainAndAnUndrainHaveTheirEffect) {
  const auto& [steps, fate, comes_back] = GetParam();
  for (int between = 0; between < 9; ++between) {
    store = {};
    store.now = TimePoint(hours(1000));
    LeaseAttributes announced{.public_ip = IpAddress::v4(192, 0, 2, 1), .backend_type = "vxlan"};
    const char* text = R"({"Network":"10.5.0.0/24","SubnetLen":27})";
    KeeperHost us{store, LeaseKeeper(
                             {}, parse_network_config(text)->config, announced.public_ip,
                             [&](const Lease*) { return announced; }, std::nullopt, draw_first)};
    us.start();
    for (int i = 0; i < steps; ++i) {
      if (i == 5) announced.backend_data = "{}";
      if (i == 5) us.reannounce();
      step(us, fate);
    }
    us.drain();
    if (comes_back) {
      for (int i = 0; i < between; ++i)
        step(us, fate);
      us.undrain();
    }
    finish(us);
    EXPECT_TRUE(us.one_call_at_a_time);
    EXPECT_EQ(us.keeper.phase(), comes_back ? LeasePhase::active : LeasePhase::drained);
    EXPECT_EQ(keys_of(store), comes_back ? "10.5.0.32-27 " : "") << us.take_log();
    if (!comes_back) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Moments, AnyMomentTest,
                         ::testing::Combine(::testing::Range(0, 14),
                                            ::testing::Values(Fate::done, Fate::reply_lost,
                                                              Fate::away),
                                            ::testing::Bool()));

class DrainedStartTest : public ActiveLeaseTest {
 protected:
  DrainedStartTest() = default;

  KeeperHost host(std::optional<const char*> previous) {
    std::optional<SubnetKey> before;
    if (previous) before = SubnetKey::of(IpPrefix::parse_v4(*previous).value());
    return {store, LeaseKeeper(
                       {}, config(), announced.public_ip,
                       [this](const Lease*) { return announced; }, before, draw_first)};
  }
};

TEST_F(DrainedStartTest, ARecordOfTheRunBeforeIsDeleted) {
  KeeperHost next = host("10.5.0.32/27");
  next.drain();
  next.finish_calls();
  EXPECT_EQ(next.take_log(), kGone);
  next.undrain();
  next.finish_calls();
  EXPECT_EQ(next.take_log(), kBack);
}

TEST_F(DrainedStartTest, PeersOfAReservationFindTheMacThatItAnnounces) {
  LeaseAttributes reserved = announced;
  reserved.backend_data = R"({"VNI":1,"VtepMAC":"02:00:00:00:00:01"})";
  store.put(kKey, encode_lease_value(reserved), std::nullopt);
  const auto keep_mac = [&](const Lease* recorded) {
    return recorded != nullptr ? recorded->attributes : announced;
  };
  KeeperHost next{
      store, LeaseKeeper({}, config(), announced.public_ip, keep_mac,
                         SubnetKey::of(IpPrefix::parse_v4("10.5.0.32/27").value()), draw_first)};
  next.drain();
  next.finish_calls();
  EXPECT_EQ(next.take_log(), "list | drained, 10.5.0.32-27 stays");
  EXPECT_EQ(next.keeper.lease()->attributes.backend_data, reserved.backend_data);
}

TEST_F(DrainTest, ARecordThatSomebodyWritesChangesNoMac) {
  announced.backend_data = R"({"VNI":1,"VtepMAC":"02:00:00:00:00:01"})";
  us.reannounce();
  log_when_finished();
  us.drain();
  log_when_finished();
  LeaseAttributes forged = announced;
  forged.backend_data = R"({"VNI":1,"VtepMAC":"02:00:00:00:00:02"})";
  forged.node.reset();
  store.put(kKey, encode_lease_value(forged), hours(1));
  us.deliver_changes();
  us.wait();
  log_when_finished();
  EXPECT_EQ(us.keeper.lease()->attributes.backend_data, announced.backend_data);
}

TEST_F(DrainedStartTest, TheSubnetsOfTheRunBeforeAreHeld) {
  store.remove(kKey);
  KeeperHost next = host("10.5.0.96/27");
  next.drain();
  ASSERT_TRUE(next.keeper.lease());
  EXPECT_EQ(to_string(next.keeper.lease()->subnet), "10.5.0.96/27");
  next.finish_calls();
  store.put("10.5.0.96-27", kStranger, hours(1));
  next.undrain();
  next.finish_calls();
  EXPECT_EQ(next.take_log(),
            "list | drained | list | lost: taken: 192.0.2.9 has 10.5.0.96-27 | "
            "error: cannot take 10.5.0.96/27 again: 192.0.2.9 has 10.5.0.96-27");
}

TEST_F(DrainedStartTest, SubnetsThatTheNetworkDoesNotHaveAreNotHeld) {
  store.remove(kKey);
  KeeperHost next = host("10.9.0.96/27");
  next.drain();
  EXPECT_FALSE(next.keeper.lease());
  next.finish_calls();
  next.undrain();
  next.finish_calls();
  EXPECT_EQ(next.take_log(), std::string("list | drained | ") + kBack);
}

TEST_F(DrainedStartTest, WithoutSubnetEnvTheSubnetOfTheDeletedRecordIsTakenAgain) {
  store.remove(kKey);
  store.put("10.5.0.128-27", ours(), hours(24));
  KeeperHost next = host(std::nullopt);
  next.drain();
  next.finish_calls();
  EXPECT_FALSE(next.keeper.lease());
  next.undrain();
  next.finish_calls();
  EXPECT_EQ(next.take_log(),
            "list | release 10.5.0.128-27 | list | drained | list | create 10.5.0.128-27 | active "
            "10.5.0.128/27@192.0.2.1");
}

}  // namespace
}  // namespace flannel::lease_keeper_drain_test
