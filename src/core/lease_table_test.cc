// SPDX-License-Identifier: Apache-2.0
#include "core/lease_table.h"

#include <gtest/gtest.h>

#include <random>

namespace flannel::lease_table_test {
namespace {

std::string value(const std::string& public_ip, const std::string& more = "") {
  return "{\"PublicIP\":\"" + public_ip + "\"" + more + "}";
}

// A vxlan lease; `mac6`: also with an IPv6 VTEP.
std::string with_mac(const std::string& public_ip, int mac, int mac6 = 0) {
  const auto data = [](int last) {
    return R"({"VNI":1,"VtepMAC":")" +
           to_string(Mac{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(last)}}) + "\"}";
  };
  std::string more = R"(,"BackendType":"vxlan","BackendData":)" + data(mac);
  if (mac6 != 0) {
    more +=
        R"(,"PublicIPv6":"2001:db8::)" + std::to_string(mac) + R"(","BackendV6Data":)" + data(mac6);
  }
  return value(public_ip, more);
}

std::string line(const Lease& lease) {
  return to_string(lease.subnet) + "@" + to_string(lease.attributes.public_ip);
}

// "-10.5.1.0/24@192.0.2.1 +10.5.2.0/24@192.0.2.2"
std::string dump(const std::vector<PeerChange>& changes) {
  std::string text;
  for (const PeerChange& change : changes) {
    if (!text.empty()) text += ' ';
    if (const auto* up = std::get_if<PeerUp>(&change)) text += "+" + line(up->lease);
    if (const auto* down = std::get_if<PeerDown>(&change)) text += "-" + line(down->lease);
  }
  return text;
}

class LeaseTableTest : public ::testing::Test {
 protected:
  const std::vector<IpPrefix> network{IpPrefix::parse_v4("10.5.0.0/16").value()};
  const std::vector<IpPrefix> networks{network[0], IpPrefix::parse_v6("fd00::/48").value()};
  LeaseTable table{network};
  Revision revision = 0;
  std::map<std::string, Revision> created;

  static Record record(const std::string& key, const std::string& text, Revision at) {
    return {key, text, at, "lease", at};
  }
  std::string put(const std::string& key, const std::string& text) {
    Record now = record(key, text, ++revision);
    now.created = created.try_emplace(key, revision).first->second;
    return dump(table.apply(RecordPut{std::move(now)}));
  }
  std::string gone(const std::string& key) {
    created.erase(key);
    return dump(table.apply(RecordGone{key, ++revision}));
  }
  std::string snapshot(std::vector<Record> records) {
    Snapshot all;
    all.records = std::move(records);
    return dump(table.apply_snapshot(all));
  }
  // Only the kinds, because a reason names any one of several older leases.
  static std::map<std::string, QuarantineKind> kinds_by_key(const LeaseTable& table) {
    std::map<std::string, QuarantineKind> kinds;
    for (const auto& [key, record] : table.quarantined())
      kinds.emplace(key, record.kind);
    return kinds;
  }
  std::string leases() const {
    std::string text;
    for (const auto& [subnet, record] : table.leases())
      text += line(record.lease) + " ";
    return text;
  }
  std::string reason(const std::string& key) const {
    const auto found = table.quarantined().find(key);
    return found == table.quarantined().end() ? "in order" : found->second.reason;
  }
};

TEST_F(LeaseTableTest, ASnapshotReportsTheDifferences) {
  EXPECT_EQ(snapshot({record("10.5.1.0-24", value("192.0.2.1"), 1),
                      record("10.5.2.0-24", value("192.0.2.2"), 2)}),
            "+10.5.1.0/24@192.0.2.1 +10.5.2.0/24@192.0.2.2");
  EXPECT_EQ(snapshot({record("10.5.2.0-24", value("192.0.2.2"), 2),
                      record("10.5.3.0-24", value("192.0.2.3"), 3)}),
            "-10.5.1.0/24@192.0.2.1 +10.5.3.0/24@192.0.2.3");
  EXPECT_EQ(snapshot({}), "-10.5.2.0/24@192.0.2.2 -10.5.3.0/24@192.0.2.3");
}

TEST_F(LeaseTableTest, ASnapshotReportsChangedAttributes) {
  snapshot({record("10.5.1.0-24", value("192.0.2.1", R"(,"BackendData":{"a":1})"), 1)});
  EXPECT_EQ(snapshot({record("10.5.1.0-24", value("192.0.2.1", R"(,"BackendData":{"a":2})"), 2)}),
            "+10.5.1.0/24@192.0.2.1");
  EXPECT_EQ(table.leases().begin()->second.lease->attributes.backend_data, R"({"a":2})");
  EXPECT_EQ(snapshot({record("10.5.1.0-24", value("192.0.2.9"), 3)}), "+10.5.1.0/24@192.0.2.9");
}

TEST_F(LeaseTableTest, ARenewalWithEqualAttributesIsNoChange) {
  put("10.5.1.0-24", value("192.0.2.1", R"(,"BackendData":{"a":1})"));
  EXPECT_EQ(put("10.5.1.0-24", value("192.0.2.1", R"(, "backendData": {"a": 1})")), "");
  EXPECT_EQ(table.leases().begin()->second.revision, 2) << "but the record is the new one";
  EXPECT_EQ(snapshot({record("10.5.1.0-24", value("192.0.2.1", R"(,"BackendData":{"a":1})"), 9)}),
            "");
}

TEST_F(LeaseTableTest, FollowsSingleChanges) {
  EXPECT_EQ(put("10.5.1.0-24", value("192.0.2.1")), "+10.5.1.0/24@192.0.2.1");
  EXPECT_EQ(put("10.5.1.0-24", value("192.0.2.7")), "+10.5.1.0/24@192.0.2.7");
  EXPECT_EQ(gone("10.5.1.0-24"), "-10.5.1.0/24@192.0.2.7");
  EXPECT_EQ(gone("10.5.1.0-24"), "");
  EXPECT_EQ(dump(table.apply(ConfigPut{})), "");
  EXPECT_EQ(dump(table.apply(ConfigGone{})), "");
}

TEST_F(LeaseTableTest, KeysAreExact) {
  put("10.5.1.0-24", value("192.0.2.1"));
  put("10.5.10.0-24", value("192.0.2.10"));
  EXPECT_EQ(gone("10.5.1.0-24&fd00::-56"), "") << "a longer key is another record";
  EXPECT_EQ(gone("10.5.1.0-2"), "");
  EXPECT_EQ(gone("10.5.1.0-24 "), "");
  EXPECT_EQ(leases(), "10.5.1.0/24@192.0.2.1 10.5.10.0/24@192.0.2.10 ");
}

TEST_F(LeaseTableTest, RecordsThatCannotBeReadAreQuarantinedOneByOne) {
  EXPECT_EQ(snapshot({record("10.5.1.0-24", value("192.0.2.1"), 1),
                      record("10.5.2.0-24", "garbage", 2), record("lock", value("192.0.2.3"), 3),
                      record("10.5.4.0-24", value("192.0.2.4"), 4)}),
            "+10.5.1.0/24@192.0.2.1 +10.5.4.0/24@192.0.2.4");
  EXPECT_EQ(reason("lock"), R"(subnet key "lock": "lock" is not like 10.5.52.0-24)");
  EXPECT_EQ(
      reason("10.5.2.0-24"),
      "the lease: not JSON: line 1, column 1: 'g' where an object has to begin, like {\"name\": "
      "value}, near garbage");
  EXPECT_EQ(table.quarantined().at("lock").revision, 3);

  EXPECT_EQ(put("tmp", ""), "") << "an event that cannot be read removes nobody";
  EXPECT_EQ(gone("lock"), "");
  EXPECT_EQ(reason("lock"), "in order");
  EXPECT_EQ(put("10.5.2.0-24", value("192.0.2.2")), "+10.5.2.0/24@192.0.2.2") << "mended";
  EXPECT_EQ(reason("10.5.2.0-24"), "in order");
  EXPECT_EQ(table.quarantined().size(), 1U);
  snapshot({record("10.5.1.0-24", value("192.0.2.1"), 1)});
  EXPECT_EQ(reason("tmp"), "in order") << "it was removed while nobody watched";
}

TEST_F(LeaseTableTest, LeaseThatBecomesUnreadableGoesAndNoOther) {
  put("10.5.1.0-24", value("192.0.2.1"));
  put("10.5.2.0-24", value("192.0.2.2"));
  EXPECT_EQ(put("10.5.1.0-24", "{"), "-10.5.1.0/24@192.0.2.1");
  EXPECT_EQ(leases(), "10.5.2.0/24@192.0.2.2 ");
  EXPECT_EQ(put("10.5.1.0-24", value("192.0.2.1")), "+10.5.1.0/24@192.0.2.1");
}

TEST_F(LeaseTableTest, UnusableLeasesAreQuarantined) {
  for (const char* ip : {"0.0.0.0", "0.0.0.1", "127.0.0.1", "224.0.0.5", "239.255.255.255",
                         "240.0.0.1", "255.255.255.254", "255.255.255.255"}) {
    EXPECT_EQ(put("10.5.1.0-24", value(ip)), "");
    EXPECT_EQ(reason("10.5.1.0-24"),
              std::string("PublicIP ") + ip + " is not the address of a host");
  }
  EXPECT_EQ(put("10.6.1.0-24", value("192.0.2.1")), "");
  EXPECT_EQ(reason("10.6.1.0-24"), "10.6.1.0/24 is outside of the network 10.5.0.0/16");
  EXPECT_EQ(put("10.4.0.0-15", value("192.0.2.1")), "");
  EXPECT_EQ(put("0.0.0.0-0", value("192.0.2.1")), "");
  EXPECT_EQ(put("10.5.0.0-16", value("192.0.2.1")), "+10.5.0.0/16@192.0.2.1");
}

TEST_F(LeaseTableTest, WithoutANetworkEveryLeaseIsTaken) {
  LeaseTable everywhere;
  EXPECT_EQ(dump(everywhere.apply(RecordPut{record("172.16.0.0-24", value("192.0.2.1"), 1)})),
            "+172.16.0.0/24@192.0.2.1");
}

TEST_F(LeaseTableTest, OfOverlappingLeasesTheOldestStands) {
  put("10.5.1.0-24", value("192.0.2.1"));
  put("10.5.9.0-24", value("192.0.2.9"));
  EXPECT_EQ(put("10.5.0.0-20", value("192.0.2.2")), "");
  EXPECT_EQ(reason("10.5.0.0-20"), "overlaps 10.5.1.0/24 of 192.0.2.1, which is older");
  EXPECT_EQ(put("10.5.1.128-25", value("192.0.2.3")), "");
  EXPECT_EQ(put("10.5.1.0-24&fd00::-56", value("192.0.2.4")), "") << "the same IPv4 subnet";
  EXPECT_EQ(table.quarantined().size(), 3U);

  EXPECT_EQ(gone("10.5.1.0-24"), "-10.5.1.0/24@192.0.2.1 +10.5.1.128/25@192.0.2.3")
      << "10.5.9.0/24 still keeps the /20 out, and that keeps nobody out";
  EXPECT_EQ(gone("10.5.9.0-24"),
            "-10.5.1.128/25@192.0.2.3 -10.5.9.0/24@192.0.2.9 +10.5.0.0/20@192.0.2.2");
  EXPECT_EQ(reason("10.5.1.128-25"), "overlaps 10.5.0.0/20 of 192.0.2.2, which is older");
  EXPECT_EQ(gone("10.5.0.0-20"), "-10.5.0.0/20@192.0.2.2 +10.5.1.128/25@192.0.2.3");
}

TEST_F(LeaseTableTest, ALeaseKeepsItsAgeWhenItsValueChanges) {
  put("10.5.1.0-24", value("192.0.2.1"));
  put("10.5.0.0-20", value("192.0.2.2"));
  EXPECT_EQ(put("10.5.1.0-24", value("192.0.2.3")), "+10.5.1.0/24@192.0.2.3");
  EXPECT_EQ(reason("10.5.0.0-20"), "overlaps 10.5.1.0/24 of 192.0.2.3, which is older");
}

TEST_F(LeaseTableTest, OurPublicIPInTheRecordOfAnotherNodeIsQuarantined) {
  const auto node = [](const char* digit, int boot) {
    std::string id;
    for (int i = 0; i < 32; ++i)
      id += digit;
    return ",\"NodeID\":\"" + id + "/0000000" + std::to_string(boot) + "\"";
  };
  const NodeTag us = decode_node_tag(std::string(32, '1') + "/00000001").value();
  table = LeaseTable({IpPrefix::parse_v4("10.5.0.0/16").value()},
                     HostIdentity(IpAddress::v4(192, 0, 2, 1), us));
  EXPECT_EQ(put("10.5.1.0-24", value("192.0.2.1", node("1", 1))), "+10.5.1.0/24@192.0.2.1");
  EXPECT_EQ(put("10.5.2.0-24", value("192.0.2.1", node("2", 2))), "");
  EXPECT_EQ(reason("10.5.2.0-24"), "PublicIP 192.0.2.1 is our own, but node " +
                                       std::string(32, '2') + "/00000002 wrote it");
  EXPECT_TRUE(table.quarantined().at("10.5.2.0-24").is_alarm());
  EXPECT_EQ(put("10.5.3.0-24", value("192.0.2.3", node("2", 2))), "+10.5.3.0/24@192.0.2.3");
}

TEST_F(LeaseTableTest, AVtepMacBelongsToTheOldestLeaseWhateverTheSubnets) {
  EXPECT_EQ(put("10.5.61.0-24", with_mac("192.0.2.2", 2)), "+10.5.61.0/24@192.0.2.2");
  EXPECT_EQ(put("10.5.50.0-24", with_mac("192.0.2.66", 2)), "");
  EXPECT_EQ(reason("10.5.50.0-24"),
            "192.0.2.66 announces the VTEP MAC 02:00:00:00:00:02 of 10.5.61.0/24 at 192.0.2.2, "
            "whose lease is older: is one of the two a copy of the other?");
  EXPECT_TRUE(table.quarantined().at("10.5.50.0-24").is_alarm());
  EXPECT_EQ(put("10.5.200.0-24", with_mac("192.0.2.66", 2)), "");

  EXPECT_EQ(put("10.5.50.0-24", with_mac("192.0.2.66", 3)), "+10.5.50.0/24@192.0.2.66")
      << "another MAC";
  EXPECT_EQ(reason("10.5.50.0-24"), "in order");
  EXPECT_EQ(gone("10.5.61.0-24"), "-10.5.61.0/24@192.0.2.2 +10.5.200.0/24@192.0.2.66")
      << "the MAC is free for who comes next";
}

TEST_F(LeaseTableTest, AnOlderLeaseThatTakesUpAMacHasIt) {
  put("10.5.1.0-24", with_mac("192.0.2.1", 1));
  put("10.5.2.0-24", with_mac("192.0.2.2", 2));
  EXPECT_EQ(put("10.5.1.0-24", with_mac("192.0.2.1", 2)),
            "-10.5.2.0/24@192.0.2.2 +10.5.1.0/24@192.0.2.1");
  EXPECT_EQ(put("10.5.1.0-24", with_mac("192.0.2.1", 1)),
            "+10.5.1.0/24@192.0.2.1 +10.5.2.0/24@192.0.2.2");
}

TEST_F(LeaseTableTest, OneHostMayHaveOneMacInTwoLeases) {
  put("10.5.1.0-24", with_mac("192.0.2.1", 1));
  EXPECT_EQ(put("10.5.2.0-24", with_mac("192.0.2.1", 1)), "+10.5.2.0/24@192.0.2.1");
  EXPECT_EQ(put("10.5.3.0-24", with_mac("192.0.2.3", 1)), "");
  EXPECT_EQ(gone("10.5.1.0-24"), "-10.5.1.0/24@192.0.2.1") << "it is the second one's still";
  EXPECT_NE(reason("10.5.3.0-24").find("of 10.5.2.0/24 at 192.0.2.1"), std::string::npos);
}

TEST_F(LeaseTableTest, MacsAreComparedAsValues) {
  table = LeaseTable(networks);
  put("10.5.1.0-24", with_mac("192.0.2.1", 1));
  EXPECT_EQ(put("10.5.2.0-24", value("192.0.2.2", R"(,"backendtype":"vxlan",)"
                                                  R"("backenddata":{"vtepMac":"0200.0000.0001"})")),
            "");
  EXPECT_EQ(put("10.5.3.0-24&fd00:0:0:3::-64", with_mac("192.0.2.3", 3, 1)),
            "+10.5.3.0/24,fd00:0:0:3::/64@192.0.2.3")
      << "that of IPv6 is another device's";
  EXPECT_EQ(put("10.5.4.0-24&fd00:0:0:4::-64", with_mac("192.0.2.4", 4, 1)), "");
  EXPECT_EQ(put("10.5.7.0-24", value("192.0.2.7", R"(,"BackendType":"another","BackendData":)"
                                                  R"({"VtepMAC":"02:00:00:00:00:01"})")),
            "+10.5.7.0/24@192.0.2.7")
      << "and that of another backend as well";
  EXPECT_EQ(put("10.5.5.0-24", value("192.0.2.5", R"(,"BackendType":"vxlan","BackendData":)"
                                                  R"({"VtepMAC":"00:00:00:00:00:00"})")),
            "+10.5.5.0/24@192.0.2.5");
  EXPECT_EQ(put("10.5.6.0-24", value("192.0.2.6", R"(,"BackendType":"vxlan","BackendData":)"
                                                  R"({"VtepMAC":"00:00:00:00:00:00"})")),
            "+10.5.6.0/24@192.0.2.6")
      << "no MAC of a host: each is refused by itself";
}

// A lease that is hidden because of its MAC still prevents younger leases from taking its subnet.
TEST_F(LeaseTableTest, ALeaseHiddenForItsMacKeepsItsSubnet) {
  put("10.5.1.0-24", with_mac("192.0.2.1", 1));
  put("10.5.2.0-24", with_mac("192.0.2.2", 1));
  EXPECT_EQ(put("10.5.2.0-25", value("192.0.2.3")), "");
  EXPECT_EQ(gone("10.5.1.0-24"), "-10.5.1.0/24@192.0.2.1 +10.5.2.0/24@192.0.2.2");
}

TEST_F(LeaseTableTest, AChangeAmongManyWhoShareAMacCostsAFewLeases) {
  table = LeaseTable({IpPrefix::parse_v4("10.0.0.0/8").value()});
  constexpr int kMany = 3000;
  const auto key = [](int n) {
    const auto net = IpPrefix::of(IpAddress::v4(10, 6, 0, 0).plus(static_cast<unsigned>(n), 2), 30);
    return encode_subnet_key({net, std::nullopt});
  };
  for (int n = 0; n < kMany; ++n)
    put(key(n), with_mac(n % 2 == 0 ? "192.0.2.1" : "192.0.2.2", 1));
  EXPECT_EQ(table.leases().size(), VtepOwners::kMostOfOneMac / 2);
  EXPECT_EQ(reason(key(9)),
            "192.0.2.2 announces the VTEP MAC 02:00:00:00:00:01, and so do 8 older leases, more "
            "than a host has");
  const auto cost_of = [&](const std::string& changed, const std::string& text) {
    const auto before = table.looked_at();
    put(changed, text);
    return table.looked_at() - before;
  };
  EXPECT_LE(cost_of(key(0), with_mac("192.0.2.1", 1, 9)), 1U) << "another MAC, of IPv6";
  EXPECT_LE(cost_of(key(0), with_mac("192.0.2.2", 1)), VtepOwners::kMostOfOneMac) << "all change";
  EXPECT_EQ(table.leases().size(), VtepOwners::kMostOfOneMac / 2 + 1);
  EXPECT_LE(cost_of(key(0), with_mac("192.0.2.2", 2)), VtepOwners::kMostOfOneMac + 1);
  EXPECT_LE(cost_of(key(2000), with_mac("192.0.2.1", 1, 9)), 1U);
  const auto before = table.looked_at();
  gone(key(1));
  EXPECT_LE(table.looked_at() - before, VtepOwners::kMostOfOneMac + 1) << "the next one moves up";
}

TEST_F(LeaseTableTest, OverlapInASnapshotIsResolvedByAgeNotByOrder) {
  EXPECT_EQ(snapshot({record("10.5.0.0-20", value("192.0.2.2"), 7),
                      record("10.5.1.0-24", value("192.0.2.1"), 3),
                      record("10.5.1.0-24&fd00::-56", value("192.0.2.1"), 3)}),
            "+10.5.1.0/24@192.0.2.1");
  EXPECT_EQ(table.quarantined().size(), 2U);
}

TEST_F(LeaseTableTest, LeasesAtTheEndOfTheAddressSpace) {
  LeaseTable everywhere;
  const auto put_there = [&](const char* key, Revision at) {
    return dump(everywhere.apply(RecordPut{record(key, value("192.0.2.1"), at)}));
  };
  EXPECT_EQ(put_there("255.255.255.254-31", 1), "+255.255.255.254/31@192.0.2.1");
  EXPECT_EQ(put_there("255.255.255.0-24", 2), "");
  EXPECT_EQ(put_there("0.0.0.0-0", 3), "");
  EXPECT_EQ(dump(everywhere.apply(RecordGone{"255.255.255.254-31", 4})),
            "-255.255.255.254/31@192.0.2.1 +255.255.255.0/24@192.0.2.1");
}

// In whatever order changes arrive, the table equals a new one made from the records, and a
// listener that follows the changes alone has the same leases.
TEST_F(LeaseTableTest, TableDependsOnTheRecordsAlone) {
  table = LeaseTable(networks);
  // clang-format off
  const std::vector<std::string> keys{
      "10.5.0.0-20", "10.5.1.0-24", "10.5.1.0-24&fd00::-56", "10.5.1.128-25", "10.5.1.192-26",
      "10.5.2.0-24", "10.5.16.0-20", "10.5.0.0-16", "10.5.17.0-24", "10.5.31.0-24", "10.6.0.0-24",
      "10.5.0.0-19", "10.5.1.0-24&fd01::-56", "10.5.17.0-24&fd00:0:0:1::-64", "junk",
      "10.5.31.0-24&fd00:0:0:1::-64", "10.6.0.0-24&fd00::-60", "0.0.0.0-0&fd00:0:0:1::-64",
      "0.0.0.0-0&fd00::-62"};
  // clang-format on
  const std::vector<std::string> values{value("192.0.2.1"),          value("192.0.2.2"),
                                        with_mac("192.0.2.1", 1),    with_mac("192.0.2.2", 1),
                                        with_mac("192.0.2.1", 2),    with_mac("192.0.2.3", 2),
                                        with_mac("192.0.2.3", 1, 2), with_mac("192.0.2.4", 4, 2),
                                        value("127.0.0.1"),          "junk"};
  std::mt19937 engine{7};
  const auto draw = [&](std::size_t bound) { return engine() % bound; };
  std::map<std::string, Record> stored;
  std::map<SubnetKey, Lease> followed;
  for (Revision at = 1; at < 1500; ++at) {
    const std::string& key = keys[draw(keys.size())];
    std::vector<PeerChange> changes;
    if (draw(3) == 0) {
      stored.erase(key);
      changes = table.apply(RecordGone{key, at});
    } else {
      const Revision born = stored.contains(key) ? stored[key].created : at;
      stored[key] = record(key, values[draw(10) < 8 ? draw(8) : draw(10)], at);
      stored[key].created = born;
      changes = table.apply(RecordPut{stored[key]});
    }
    for (const PeerChange& change : changes) {
      if (const auto* up = std::get_if<PeerUp>(&change)) followed[up->lease->subnet] = up->lease;
      if (const auto* down = std::get_if<PeerDown>(&change)) followed.erase(down->lease->subnet);
    }
    LeaseTable fresh(networks);
    Snapshot all;
    for (const auto& [name, one] : stored)
      all.records.push_back(one);
    fresh.apply_snapshot(all);
    ASSERT_EQ(kinds_by_key(fresh), kinds_by_key(table)) << "at " << at;
    ASSERT_EQ(fresh.leases().size(), table.leases().size()) << "at " << at;
    ASSERT_EQ(followed.size(), table.leases().size()) << "at " << at;
    for (const auto& [subnet, one] : fresh.leases()) {
      ASSERT_EQ(one, table.leases().at(subnet)) << "at " << at;
      ASSERT_EQ(*one.lease, followed.at(subnet)) << "at " << at;
    }
    ASSERT_EQ(dump(table.apply_snapshot(all)), "") << "at " << at;
  }
}

}  // namespace
}  // namespace flannel::lease_table_test
