// SPDX-License-Identifier: Apache-2.0
// Two hosts with one VTEP MAC are never peers at the same time, even while one of them is missing.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/known_peers.h"

namespace flannel::known_peers_mac_test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Host n has 10.5.n.0/24, 192.0.2.n, node id n and the MAC 02:..:n; this host is host 1.
class KnownPeersMacTest : public ::testing::Test {
 protected:
  static std::string key(int subnet) { return fmt::format("10.5.{}.0-24", subnet); }

  struct Host {
    int address;
    int mac;
    int node;
    int boot = 0;  // 0: that of its node
  };
  static Host host(int number) { return {number, number, number}; }
  // Without a node for node 0.
  Record record(int subnet, const Host& by) {
    std::string value =
        fmt::format(R"({{"PublicIP":"192.0.2.{}","BackendType":"vxlan",)"
                    R"("BackendData":{{"VNI":1,"VtepMAC":"02:00:00:00:00:{:02x}"}})",
                    by.address, by.mac);
    if (by.node != 0)
      value +=
          fmt::format(R"(,"NodeID":"{:032x}/{:08x}")", by.node, by.boot != 0 ? by.boot : by.node);
    ++revision;
    return {key(subnet), value + "}", revision, "lease",
            created.try_emplace(key(subnet), revision).first->second};
  }

  static std::string line(const Lease& lease) {
    return fmt::format("{}@{}", (lease.subnet.v4->base.v4_value() >> 8) & 0xff,
                       lease.attributes.public_ip.v4_value() & 0xff);
  }
  static std::string text(const std::vector<PeerChange>& changes) {
    std::string all;
    for (const PeerChange& change : changes) {
      const auto* up = std::get_if<PeerUp>(&change);
      all += up != nullptr ? "+" + line(up->lease) : "-" + line(std::get<PeerDown>(change).lease);
      all += ' ';
    }
    return all;
  }
  // Lists hosts first..last, and ourselves.
  std::string list(int first, int last, const std::vector<Record>& others = {}) {
    Snapshot all;
    all.config = ConfigRecord{"{}", 1};
    all.records.push_back(record(1, host(1)));
    for (int number = first; number <= last; ++number)
      all.records.push_back(record(number, host(number)));
    all.records.insert(all.records.end(), others.begin(), others.end());
    return text(peers.on_snapshot(now, all));
  }
  std::string put(int subnet, const Host& by) {
    return text(peers.on_changes(now, {RecordPut{record(subnet, by)}}));
  }
  std::string remove(int subnet) {
    created.erase(key(subnet));
    return text(peers.on_changes(now, {RecordGone{key(subnet), ++revision}}));
  }
  // What comes and goes until no grace period is left.
  std::string later() {
    std::string all;
    while (peers.grace_end() != kNever) {
      now = peers.grace_end();
      all += text(peers.tick(now));
    }
    return all;
  }
  // The peers, ourselves left out.
  std::string in_force() const {
    std::string all;
    for (const auto& [subnet, listed] : peers.leases()) {
      if (listed.lease->attributes.public_ip != kUs) all += line(listed.lease) + " ";
    }
    return all;
  }

  static constexpr IpAddress kUs = IpAddress::v4(192, 0, 2, 1);
  TimePoint now{hours(1)};
  Revision revision = 0;
  std::map<std::string, Revision> created;
  KnownPeers peers{LeaseTable({IpPrefix::parse_v4("10.5.0.0/16").value()}), kUs,
                   [](std::uint64_t) { return std::uint64_t{0}; }};
};

TEST_F(KnownPeersMacTest, ALeaseWithTheMacOfAMissingPeerWaitsUntilThatIsBack) {
  list(2, 9);
  remove(2);
  EXPECT_EQ(put(50, {.address = 77, .mac = 2, .node = 77}), "");
  EXPECT_EQ(in_force(), "2@2 3@3 4@4 5@5 6@6 7@7 8@8 9@9 ");
  EXPECT_EQ(put(2, {.address = 2, .mac = 22, .node = 2}), "+2@2 +50@77 ")
      << "the host left its MAC to the older record, and put its lease back";
  EXPECT_EQ(later(), "");
}

TEST_F(KnownPeersMacTest, ALeaseWithTheMacOfAMissingPeerIsAPeerWhenThatIsGone) {
  list(2, 9);
  remove(2);
  now += seconds(1);
  EXPECT_EQ(put(50, {.address = 77, .mac = 2, .node = 77}), "");
  EXPECT_EQ(put(51, {.address = 77, .mac = 2, .node = 77}), "");
  EXPECT_EQ(peers.next_wakeup(), now + milliseconds(500)) << "the grace period is as long as ever";
  EXPECT_EQ(later(), "-2@2 +50@77 +51@77 ");
  EXPECT_EQ(in_force(), "3@3 4@4 5@5 6@6 7@7 8@8 9@9 50@77 51@77 ");
}

TEST_F(KnownPeersMacTest, ALeaseThatWaitsForAMacAndGoesWasNoPeer) {
  list(2, 9);
  remove(2);
  EXPECT_EQ(put(50, {.address = 77, .mac = 2, .node = 77}), "");
  EXPECT_EQ(remove(50), "");
  EXPECT_EQ(put(50, {.address = 78, .mac = 2, .node = 78}), "");
  EXPECT_EQ(put(50, {.address = 78, .mac = 78, .node = 78}), "+50@78 ") << "with a MAC of its own";
  EXPECT_EQ(later(), "-2@2 ");
}

TEST_F(KnownPeersMacTest, AYoungerLeaseWaitsWhenTheOlderPeerWithItsMacIsLost) {
  list(2, 9);
  EXPECT_EQ(put(50, {.address = 77, .mac = 2, .node = 77}), "");
  EXPECT_EQ(peers.table().quarantined().size(), 1U);
  EXPECT_EQ(remove(2), "");
  EXPECT_EQ(peers.table().quarantined().size(), 0U);
  EXPECT_EQ(in_force(), "2@2 3@3 4@4 5@5 6@6 7@7 8@8 9@9 ");
  EXPECT_EQ(later(), "-2@2 +50@77 ");
}

TEST_F(KnownPeersMacTest, TheHostItselfWithAnotherSubnetIsNotHeldBack) {
  list(2, 9);
  remove(2);
  EXPECT_EQ(put(50, host(2)), "-2@2 +50@2 ") << "the same address";
  remove(3);
  EXPECT_EQ(put(51, {.address = 33, .mac = 3, .node = 3}), "-3@3 +51@33 ") << "the same node";
  put(44, {.address = 44, .mac = 44, .node = 0});
  remove(44);
  EXPECT_EQ(put(52, {.address = 44, .mac = 44, .node = 0}), "-44@44 +52@44 ") << "without a node";
}

TEST_F(KnownPeersMacTest, LeasesOfOneAddressMayHaveOneMac) {
  list(2, 9);
  remove(2);
  EXPECT_EQ(put(50, {.address = 2, .mac = 2, .node = 77}), "+50@2 ") << "a MAC leads to an address";
}

TEST_F(KnownPeersMacTest, APeerThatChangesItsAddressKeepsItsMacWhateverIsMissing) {
  list(2, 9);
  put(50, {.address = 2, .mac = 2, .node = 77});
  remove(50);
  EXPECT_EQ(put(2, {.address = 22, .mac = 2, .node = 2}), "-50@2 +2@22 ");
  EXPECT_EQ(later(), "");
}

TEST_F(KnownPeersMacTest, AMissingPeerThatIsBackWithAnotherAddressKeepsItsMacWhateverIsMissing) {
  list(2, 9);
  put(50, {.address = 2, .mac = 2, .node = 77});
  list(7, 9);
  EXPECT_EQ(peers.suspected(), 6U);
  EXPECT_EQ(put(2, {.address = 22, .mac = 2, .node = 2}), "-50@2 +2@22 ");
  EXPECT_EQ(in_force(), "2@22 3@3 4@4 5@5 6@6 7@7 8@8 9@9 ");
  EXPECT_EQ(later(), "");
}

TEST_F(KnownPeersMacTest, AHostThatBootedWithAnotherAddressKeepsItsMacWhateverIsMissing) {
  list(2, 9);
  put(50, {.address = 2, .mac = 2, .node = 77});
  list(7, 9);
  EXPECT_EQ(put(2, {.address = 22, .mac = 2, .node = 2, .boot = 222}), "-50@2 ");
  EXPECT_EQ(later(), "+2@22 ") << "it might be a copy, so it waits for a grace period";
}

TEST_F(KnownPeersMacTest, APeerThatTakesTheMacOfAMissingPeerStaysAsItWas) {
  list(2, 9);
  remove(2);
  now += seconds(1);
  EXPECT_EQ(put(3, {.address = 3, .mac = 2, .node = 3}), "") << "written by a stranger, perhaps";
  EXPECT_EQ(put(3, host(3)), "+3@3 ") << "its host has put that right";
  EXPECT_EQ(put(3, {.address = 3, .mac = 2, .node = 3}), "");
  EXPECT_EQ(in_force(), "2@2 3@3 4@4 5@5 6@6 7@7 8@8 9@9 ");
  now += milliseconds(500);
  EXPECT_EQ(text(peers.tick(now)), "-2@2 +3@3 ");
  EXPECT_EQ(later(), "");
}

TEST_F(KnownPeersMacTest, APeerWhoseNewRecordHasTheMacOfAMissingPeerStaysAsItWas) {
  list(2, 9);
  remove(2);
  now += seconds(1);
  Record of_both_families = record(3, {.address = 3, .mac = 2, .node = 3});
  of_both_families.key += "&fd00:5:0:3::-64";
  of_both_families.created = of_both_families.revision;
  EXPECT_EQ(text(peers.on_changes(now, {RecordPut{of_both_families}})), "");
  EXPECT_EQ(remove(3), "");
  EXPECT_EQ(in_force(), "2@2 3@3 4@4 5@5 6@6 7@7 8@8 9@9 ");
  EXPECT_EQ(later(), "-2@2 -3@3 +3@3 ") << "there is no moment without the host";
  EXPECT_EQ(in_force(), "3@3 4@4 5@5 6@6 7@7 8@8 9@9 ");
}

TEST_F(KnownPeersMacTest, AHostWithAMacOfItsOwnWaitsForTheSubnetOfAMissingPeer) {
  list(2, 9);
  EXPECT_EQ(put(2, host(77)), "");
  EXPECT_EQ(later(), "+2@77 ");
}

TEST_F(KnownPeersMacTest, AnOlderRecordThatTakesAMacWaitsForThePeerThatHadIt) {
  list(2, 9);
  EXPECT_EQ(put(2, {.address = 77, .mac = 3, .node = 77}), "");
  EXPECT_EQ(in_force(), "2@2 3@3 4@4 5@5 6@6 7@7 8@8 9@9 ")
      << "both are missing, because of one record";
  EXPECT_EQ(put(2, host(2)), "+2@2 +3@3 ");
  EXPECT_EQ(put(2, {.address = 77, .mac = 3, .node = 77}), "");
  EXPECT_EQ(later(), "-3@3 +2@77 ");
}

TEST_F(KnownPeersMacTest, AListThatHasAnotherHostInThePlaceOfALostOneMakesItWait) {
  list(2, 9);
  created.erase(key(9));
  EXPECT_EQ(list(2, 8, {record(10, {.address = 77, .mac = 9, .node = 77})}), "");
  EXPECT_EQ(later(), "-9@9 +10@77 ");
}

TEST_F(KnownPeersMacTest, ALeaseWaitsForAPeerThatTheSameChangeLoses) {
  list(3, 9);
  EXPECT_EQ(put(2, {.address = 77, .mac = 9, .node = 77}), "")
      << "the MAC belongs to an older lease";
  EXPECT_EQ(put(9, host(88)), "") << "host 9 is missing, and the MAC is not in the table any more";
  EXPECT_EQ(later(), "+2@77 +9@88 ");
}

TEST_F(KnownPeersMacTest, AfterAMassLossALeaseWithTheMacOfASuspectedPeerWaitsForTheRecheck) {
  list(2, 9);
  list(7, 9);
  EXPECT_EQ(peers.suspected(), 5U);
  EXPECT_EQ(later(), "");
  now += seconds(10);
  EXPECT_EQ(put(50, {.address = 77, .mac = 2, .node = 77}), "");
  EXPECT_EQ(put(51, {.address = 78, .mac = 3, .node = 78}), "");
  EXPECT_EQ(later(), "") << "the store may still have the peers, and the list was wrong";
  now = peers.recheck_at();
  const std::vector<Record> strangers = {record(50, {.address = 77, .mac = 2, .node = 77}),
                                         record(51, {.address = 78, .mac = 3, .node = 78})};
  created[key(3)] = 0;
  EXPECT_EQ(list(3, 9, strangers), "+3@3 +4@4 +5@5 +6@6 -2@2 +50@77 ");
  EXPECT_EQ(in_force(), "3@3 4@4 5@5 6@6 7@7 8@8 9@9 50@77 ");
  EXPECT_EQ(peers.suspected(), 0U);
}

TEST_F(KnownPeersMacTest, AWaitingLeaseWhoseSubnetIsFreedStillWaitsForTheMac) {
  list(2, 9);
  list(7, 9);
  EXPECT_EQ(put(3, {.address = 77, .mac = 2, .node = 77}), "")
      << "the subnet of one suspected peer";
  EXPECT_EQ(later(), "-3@3 ") << "the MAC of another";
  EXPECT_EQ(in_force(), "2@2 4@4 5@5 6@6 7@7 8@8 9@9 ");
  now = peers.recheck_at();
  EXPECT_EQ(list(4, 9, {record(3, {.address = 77, .mac = 2, .node = 77})}),
            "+4@4 +5@5 +6@6 -2@2 +3@77 ");
}

TEST_F(KnownPeersMacTest, OurOwnLeaseWaitsForNoMac) {
  list(2, 9);
  remove(2);
  EXPECT_EQ(put(1, {.address = 1, .mac = 2, .node = 1}), "+1@1 ");
  EXPECT_EQ(in_force(), "2@2 3@3 4@4 5@5 6@6 7@7 8@8 9@9 ");
  EXPECT_EQ(later(), "-2@2 ");
}

TEST_F(KnownPeersMacTest, TheSameMacOfAnotherBackendIsNoObstacle) {
  list(2, 9);
  remove(2);
  Record other = record(50, {.address = 77, .mac = 2, .node = 77});
  other.value.replace(other.value.find("vxlan"), 5, "extra");
  EXPECT_EQ(text(peers.on_changes(now, {RecordPut{other}})), "+50@77 ");
}

}  // namespace
}  // namespace flannel::known_peers_mac_test
