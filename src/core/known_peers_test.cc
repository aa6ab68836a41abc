// SPDX-License-Identifier: Apache-2.0
#include "core/known_peers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace flannel::known_peers_test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr IpAddress kUs = IpAddress::v4(192, 0, 2, 1);

// Host n has 10.5.n.0/24 and 192.0.2.n; we are host 1.
class KnownPeersTest : public ::testing::Test {
 protected:
  static std::string key(int host) { return fmt::format("10.5.{}.0-24", host); }
  Record record(int host, int address = 0) {
    const int last = address == 0 ? host : address;
    return {key(host), fmt::format(R"({{"PublicIP":"192.0.2.{}"}})", last), ++revision, "lease"};
  }
  // Of a flannel that names its node, as `id` repeated.
  Record tagged(int host, const std::string& address, char id, int boot = 1) {
    return {key(host),
            fmt::format(R"({{"PublicIP":"{}","NodeID":"{}/{:08x}"}})", address, std::string(32, id),
                        boot),
            ++revision, "lease"};
  }
  static std::string line(const Lease& lease) { return to_string(lease.subnet.v4->base); }
  static std::string dump(const std::vector<PeerChange>& changes) {
    std::string text;
    for (const PeerChange& change : changes) {
      const auto* up = std::get_if<PeerUp>(&change);
      text += up != nullptr ? "+" + line(up->lease) : "-" + line(std::get<PeerDown>(change).lease);
      text += ' ';
    }
    return text;
  }

  std::string listed(std::vector<Record> records) {
    records.push_back(record(1));
    Snapshot all;
    all.config = ConfigRecord{"{}", 1};
    all.records = std::move(records);
    return dump(peers.on_snapshot(now, all));
  }
  // Lists hosts first..last, and ourselves.
  std::string list(int first, int last, bool config = true) {
    Snapshot all;
    if (config) all.config = ConfigRecord{"{}", 1};
    all.records.push_back(record(1));
    for (int host = first; host <= last; ++host)
      all.records.push_back(record(host));
    return dump(peers.on_snapshot(now, all));
  }
  std::string gone(int first, int last) {
    std::vector<Change> changes;
    for (int host = first; host <= last; ++host)
      changes.emplace_back(RecordGone{key(host), ++revision});
    return dump(peers.on_changes(now, changes));
  }
  // What has come and gone when no grace period is left.
  std::string later() {
    std::string text;
    while (peers.grace_end() != kNever) {
      now = peers.grace_end();
      text += dump(peers.tick(now));
    }
    return text;
  }
  std::string in_force() const {
    std::string text;
    for (const auto& [subnet, listed] : peers.leases())
      text += to_string(subnet) + "@" + to_string(listed.lease->attributes.public_ip) + " ";
    return text;
  }
  std::string put(Record what) { return dump(peers.on_changes(now, {RecordPut{std::move(what)}})); }
  void wait_for_recheck() {
    ASSERT_NE(peers.recheck_at(), kNever);
    now = peers.recheck_at();
  }

  TimePoint now{hours(1)};
  Revision revision = 0;
  KnownPeers peers{LeaseTable({IpPrefix::parse_v4("10.5.0.0/16").value()}), kUs,
                   [](std::uint64_t) { return std::uint64_t{0}; }};
};

TEST(UnquestionedRemovalsTest, ThreeOrAFifth) {
  EXPECT_EQ(max_removals_without_recheck(2), 3U);
  EXPECT_EQ(max_removals_without_recheck(19), 3U);
  EXPECT_EQ(max_removals_without_recheck(20), 4U);
  EXPECT_EQ(max_removals_without_recheck(5000), 1000U);
}

TEST_F(KnownPeersTest, AFewThatGoLingerAndAreGone) {
  list(2, 10);
  EXPECT_EQ(gone(2, 4), "");
  EXPECT_EQ(peers.leases().size(), 10U);
  EXPECT_EQ(peers.grace_end(), now + KnownPeers::kGracePeriod);
  now += KnownPeers::kGracePeriod - milliseconds(1);
  EXPECT_EQ(dump(peers.tick(now)), "");
  now += milliseconds(1);
  EXPECT_EQ(dump(peers.tick(now)), "-10.5.2.0 -10.5.3.0 -10.5.4.0 ");
  EXPECT_EQ(peers.grace_end(), kNever);
  EXPECT_EQ(peers.recheck_at(), kNever);
  EXPECT_EQ(peers.leases().size(), 7U);
}

TEST_F(KnownPeersTest, EachLingersForItself) {
  list(2, 10);
  gone(2, 2);
  now += seconds(1);
  gone(3, 3);
  now = peers.grace_end();
  EXPECT_EQ(dump(peers.tick(now)), "-10.5.2.0 ");
  EXPECT_EQ(peers.grace_end(), now + seconds(1));
  EXPECT_EQ(later(), "-10.5.3.0 ");
}

TEST_F(KnownPeersTest, WhoIsBackWhileItLingersWasNeverAway) {
  list(2, 10);
  gone(2, 2);
  now += milliseconds(5);
  EXPECT_EQ(put(record(2)), "+10.5.2.0 ");
  EXPECT_EQ(later(), "");
  EXPECT_EQ(in_force().substr(0, 44), "10.5.1.0/24@192.0.2.1 10.5.2.0/24@192.0.2.2 ");
}

TEST_F(KnownPeersTest, AStrangersLeaseWaitsForTheHostToPutItsOwnBack) {
  list(2, 3);
  EXPECT_EQ(put(record(2, 77)), "");
  EXPECT_EQ(in_force(), "10.5.1.0/24@192.0.2.1 10.5.2.0/24@192.0.2.2 10.5.3.0/24@192.0.2.3 ");
  now += milliseconds(5);
  EXPECT_EQ(put(record(2)), "+10.5.2.0 ");
  EXPECT_EQ(later(), "");
  put(record(2, 77));
  EXPECT_EQ(later(), "+10.5.2.0 ") << "it did not";
  EXPECT_EQ(in_force(), "10.5.1.0/24@192.0.2.1 10.5.2.0/24@192.0.2.77 10.5.3.0/24@192.0.2.3 ");
}

TEST_F(KnownPeersTest, AStrangerWhoIsGoneAgainHasNeverBeenAPeer) {
  list(2, 3);
  put(record(2, 77));
  EXPECT_EQ(gone(2, 2), "");
  EXPECT_EQ(later(), "-10.5.2.0 ") << "the host itself has not come back";
}

TEST_F(KnownPeersTest, ANewOwnerOfTheSubnetWaitsForTheOldOneToGo) {
  list(2, 3);
  gone(2, 2);
  now += seconds(1);
  EXPECT_EQ(put(record(2, 77)), "");
  EXPECT_EQ(peers.grace_end(), now + milliseconds(500));
  EXPECT_EQ(later(), "+10.5.2.0 ");
}

TEST_F(KnownPeersTest, SubnetsThatOverlapAreNeverPeersTogether) {
  list(2, 4);
  gone(2, 2);
  now += seconds(1);
  gone(3, 3);
  EXPECT_EQ(put({"10.5.2.0-23", R"({"PublicIP":"192.0.2.99"})", ++revision, "lease"}), "");
  EXPECT_EQ(put({"10.5.8.0-24", R"({"PublicIP":"192.0.2.8"})", ++revision, "lease"}), "+10.5.8.0 ");
  now = peers.grace_end();
  EXPECT_EQ(dump(peers.tick(now)), "-10.5.2.0 ") << "10.5.3.0/24 is still there";
  EXPECT_EQ(later(), "-10.5.3.0 +10.5.2.0 ");
}

TEST_F(KnownPeersTest, WhoHasWaitedIsNoPeerWhenAListHasTheNextInItsPlace) {
  list(3, 4);
  put(record(3, 77));
  listed({record(2, 3), record(3, 88), record(4)});
  const std::string expected =
      "10.5.1.0/24@192.0.2.1 10.5.2.0/24@192.0.2.3 10.5.3.0/24@192.0.2.88 10.5.4.0/24@192.0.2.4 ";
  EXPECT_EQ(in_force(), expected) << "host 3 has moved, 77 has never been there";
  EXPECT_EQ(later(), "");
  EXPECT_EQ(in_force(), expected);
}

TEST_F(KnownPeersTest, WhoHasWaitedIsNoPeerWhenItsPlaceIsFreedByALeaseThatWaitsItself) {
  list(2, 3);
  put(record(3, 77));
  listed({record(2, 3), record(3, 88)});
  EXPECT_EQ(in_force(), "10.5.1.0/24@192.0.2.1 10.5.2.0/24@192.0.2.2 10.5.3.0/24@192.0.2.88 ");
  EXPECT_EQ(later(), "+10.5.2.0 ");
  EXPECT_EQ(in_force(), "10.5.1.0/24@192.0.2.1 10.5.2.0/24@192.0.2.3 10.5.3.0/24@192.0.2.88 ");
}

TEST_F(KnownPeersTest, WhatAHostSaysOfItselfIsBelievedAtOnce) {
  list(2, 3);
  EXPECT_EQ(put(tagged(2, "192.0.2.2", 'a')), "+10.5.2.0 ") << "the same address";
  EXPECT_EQ(put(tagged(2, "192.0.2.22", 'a')), "+10.5.2.0 ") << "the same node and boot";
  EXPECT_EQ(put(tagged(2, "192.0.2.22", 'b')), "+10.5.2.0 ") << "the same boot and address";
  EXPECT_EQ(put(tagged(2, "192.0.2.23", 'c')), "") << "somebody else";
  EXPECT_EQ(put(tagged(2, "192.0.2.24", 'b')), "+10.5.2.0 ");
  EXPECT_EQ(put(record(2, 24)), "") << "a host that names its node does so always";
  EXPECT_EQ(later(), "+10.5.2.0 ");
}

TEST_F(KnownPeersTest, AHostThatMovedIsNotWaitedFor) {
  list(2, 3);
  gone(2, 2);
  EXPECT_EQ(put(record(50, 2)), "-10.5.2.0 +10.5.50.0 ");
  put(tagged(3, "192.0.2.3", 'a'));
  gone(3, 3);
  EXPECT_EQ(put(tagged(51, "192.0.2.33", 'a')), "-10.5.3.0 +10.5.51.0 ");
}

TEST_F(KnownPeersTest, HostsBehindOneAddressAreNotTakenForEachOther) {
  list(2, 2);
  put(tagged(3, "192.0.2.9", 'a', 1));
  put(tagged(4, "192.0.2.9", 'b', 2));
  EXPECT_EQ(gone(3, 3), "");
  EXPECT_EQ(put(tagged(5, "192.0.2.9", 'c', 3)), "+10.5.5.0 ");
  EXPECT_EQ(put(tagged(3, "192.0.2.9", 'a', 1)), "+10.5.3.0 ");
  EXPECT_EQ(put(tagged(3, "192.0.2.9", 'b', 2)), "") << "its neighbour's record over its own";
}

TEST_F(KnownPeersTest, OurOwnLeaseWaitsForNobody) {
  list(2, 3);
  gone(2, 2);
  EXPECT_EQ(put(record(2, 1)), "+10.5.2.0 ");
  EXPECT_EQ(peers.suspected(), 0U);
  EXPECT_EQ(put(record(2, 77)), "+10.5.2.0 ") << "nor does it stay";
}

TEST_F(KnownPeersTest, AMachineThatSleptHearsFirstWhatHappened) {
  list(2, 3);
  gone(2, 2);
  now += hours(1);
  EXPECT_EQ(dump(peers.tick(now)), "");
  EXPECT_EQ(peers.grace_end(), now + KnownPeers::kGracePeriod);
  EXPECT_EQ(later(), "-10.5.2.0 ");
}

TEST_F(KnownPeersTest, APeerThatGoesBeforeTheConfigurationIsSuspected) {
  list(2, 3);
  gone(2, 2);
  peers.on_changes(now, {ConfigGone{++revision}});
  EXPECT_EQ(later(), "");
  EXPECT_EQ(peers.suspected(), 1U);
  EXPECT_NE(peers.recheck_at(), kNever);
}

TEST_F(KnownPeersTest, ManyThatGoAtOnceStayUntilASecondListHasNotGotThemEither) {
  list(2, 10);
  EXPECT_EQ(gone(2, 5), "");
  EXPECT_EQ(peers.suspected(), 4U);
  EXPECT_EQ(peers.leases().size(), 10U);
  EXPECT_EQ(peers.recheck_at(), now + KnownPeers::kRecheckAfter);
  EXPECT_EQ(list(6, 10), "") << "the same moment again is no recheck";
  wait_for_recheck();
  EXPECT_EQ(list(6, 10), "-10.5.2.0 -10.5.3.0 -10.5.4.0 -10.5.5.0 ");
  EXPECT_EQ(peers.recheck_at(), kNever);
  EXPECT_EQ(peers.leases().size(), 6U);
}

TEST_F(KnownPeersTest, ALeaseThatHasWaitedForASuspectedPeerGoesWithItUnseen) {
  list(2, 10);
  gone(2, 5);
  now = peers.recheck_at() - milliseconds(5);
  EXPECT_EQ(put(record(2, 77)), "");
  now = peers.recheck_at();
  EXPECT_EQ(list(6, 10), "-10.5.2.0 -10.5.3.0 -10.5.4.0 -10.5.5.0 ");
  EXPECT_EQ(peers.leases().size(), 6U);
  EXPECT_EQ(later(), "");
}

TEST_F(KnownPeersTest, PeersThatAListLacksAreSuspectedTheSame) {
  list(2, 30);
  EXPECT_EQ(list(2, 20), "");
  EXPECT_EQ(peers.suspected(), 10U);
  wait_for_recheck();
  EXPECT_EQ(list(2, 27),
            "+10.5.21.0 +10.5.22.0 +10.5.23.0 +10.5.24.0 +10.5.25.0 +10.5.26.0 +10.5.27.0 "
            "-10.5.28.0 -10.5.29.0 -10.5.30.0 ");
}

TEST_F(KnownPeersTest, ABurstInManyChangesIsOneBurst) {
  list(2, 10);
  gone(2, 2);
  gone(3, 3);
  EXPECT_EQ(later(), "-10.5.2.0 -10.5.3.0 ");
  gone(4, 4);
  EXPECT_EQ(peers.suspected(), 0U);
  gone(5, 5);
  EXPECT_EQ(peers.suspected(), 2U) << "a missing peer is one of them";
  EXPECT_EQ(later(), "");
  now += hours(1);
  EXPECT_EQ(list(6, 10), "-10.5.4.0 -10.5.5.0 ");
  gone(6, 6);
  EXPECT_EQ(later(), "-10.5.6.0 ") << "an hour later is another matter";
}

TEST_F(KnownPeersTest, APeerThatComesBackIsNotSuspectedAnyMore) {
  list(2, 10);
  gone(2, 10);
  for (int host = 2; host <= 10; ++host)
    put(record(host));
  EXPECT_EQ(peers.suspected(), 0U);
  EXPECT_EQ(peers.recheck_at(), kNever);
}

TEST_F(KnownPeersTest, ASuspectedPeerMakesWayForAHostWithItsSubnetOrItsAddress) {
  list(2, 10);
  gone(2, 10);
  EXPECT_EQ(put(record(2, 77)), "") << "the subnet has another host";
  EXPECT_EQ(later(), "+10.5.2.0 ");
  EXPECT_EQ(put(record(50, 3)), "-10.5.3.0 +10.5.50.0 ") << "the host has another subnet";
  EXPECT_EQ(put({"10.5.4.128-25", R"({"PublicIP":"192.0.2.99"})", ++revision, "lease"}), "");
  EXPECT_EQ(later(), "-10.5.4.0 +10.5.4.128 ");
  EXPECT_EQ(peers.suspected(), 6U);
  now += seconds(20);
  EXPECT_EQ(put(record(5, 77)), "") << "however long it has been suspected";
  EXPECT_EQ(later(), "+10.5.5.0 ");
}

TEST_F(KnownPeersTest, WhoWouldMakeWayAloneGoesTogetherWithTheOtherInTheWay) {
  list(2, 10);
  gone(2, 10);
  EXPECT_EQ(later(), "");
  EXPECT_EQ(put({"10.5.2.0-23", R"({"PublicIP":"192.0.2.2"})", ++revision, "lease"}), "")
      << "host 2 takes the subnet of host 3, too";
  EXPECT_EQ(later(), "-10.5.2.0 -10.5.3.0 +10.5.2.0 ");
  EXPECT_EQ(peers.suspected(), 7U);
}

TEST_F(KnownPeersTest, EverybodyIsManyInASmallNetworkToo) {
  list(2, 3);
  gone(2, 2);
  EXPECT_EQ(later(), "-10.5.2.0 ");
  gone(3, 3);
  EXPECT_EQ(peers.suspected(), 1U);
}

TEST_F(KnownPeersTest, PeersThatGoTogetherWithOurOwnRecordAreSuspected) {
  list(2, 10);
  EXPECT_EQ(gone(1, 2), "-10.5.1.0 ");
  EXPECT_EQ(gone(3, 3), "");
  EXPECT_EQ(peers.suspected(), 2U);
}

TEST_F(KnownPeersTest, AStoreThatLostItsConfigurationConfirmsNothing) {
  list(2, 10);
  EXPECT_EQ(list(3, 10, false), "");
  for (int i = 0; i < 5; ++i) {
    wait_for_recheck();
    EXPECT_EQ(list(3, 10, false), "");
  }
  EXPECT_EQ(list(3, 10), "") << "no recheck yet";
  wait_for_recheck();
  EXPECT_EQ(list(3, 10), "-10.5.2.0 ");
}

TEST_F(KnownPeersTest, LossesWhileOthersAreSuspectedWaitAsLong) {
  list(2, 10);
  gone(2, 5);
  now += seconds(20);
  EXPECT_EQ(gone(6, 6), "");
  wait_for_recheck();
  EXPECT_EQ(list(7, 10), "-10.5.2.0 -10.5.3.0 -10.5.4.0 -10.5.5.0 ");
  wait_for_recheck();
  EXPECT_EQ(list(7, 10), "-10.5.6.0 ");
}

TEST_F(KnownPeersTest, PeersThatComeAndGoOneByOneAreRecheckedOnceMoreNotForEver) {
  list(2, 30);
  gone(2, 10);
  int there = 11;
  for (int looks = 0; looks < 2; ++looks) {
    for (; now + seconds(6) < peers.recheck_at(); now += seconds(6), ++there)
      EXPECT_EQ(gone(there, there), "");
    wait_for_recheck();
    list(there, 30);
    EXPECT_EQ(peers.suspected(), looks == 0 ? 3U : 0U) << "who went too late for the first list";
  }
  EXPECT_EQ(peers.recheck_at(), kNever);
}

TEST_F(KnownPeersTest, ManyThatGoBeforeARecheckAreManyAgain) {
  list(2, 30);
  gone(2, 10);
  now = peers.recheck_at() - seconds(2);
  gone(11, 13);
  now += seconds(2);
  list(14, 30);
  EXPECT_EQ(gone(14, 17), "");
  EXPECT_EQ(later(), "");
  EXPECT_EQ(peers.suspected(), 7U);
}

}  // namespace
}  // namespace flannel::known_peers_test
