// SPDX-License-Identifier: Apache-2.0
// The lease table with leases of both families and of IPv6 alone.
#include <gtest/gtest.h>

#include "core/lease_table.h"

namespace flannel::lease_table_families_test {
namespace {

std::string value(const std::string& public_ip, const std::string& more = "") {
  return "{\"PublicIP\":\"" + public_ip + "\"" + more + "}";
}

// "-10.5.1.0/24@192.0.2.1 +10.5.2.0/24@192.0.2.2"
std::string dump(const std::vector<PeerChange>& changes) {
  std::string text;
  for (const PeerChange& change : changes) {
    const auto* up = std::get_if<PeerUp>(&change);
    const Lease& lease = up != nullptr ? *up->lease : *std::get<PeerDown>(change).lease;
    text += (text.empty() ? "" : " ") + std::string(up != nullptr ? "+" : "-");
    text += to_string(lease.subnet) + "@" + to_string(lease.attributes.public_ip);
  }
  return text;
}

class LeaseTableFamiliesTest : public ::testing::Test {
 protected:
  // IPv4 alone, and both families.
  const std::vector<IpPrefix> network{IpPrefix::parse_v4("10.5.0.0/16").value()};
  const std::vector<IpPrefix> networks{network[0], IpPrefix::parse_v6("fd00::/48").value()};
  LeaseTable table{networks};
  Revision revision = 0;

  std::string put(const std::string& key, const std::string& text) {
    ++revision;
    return dump(table.apply(RecordPut{{key, text, revision, "lease", revision}}));
  }
  std::string gone(const std::string& key) {
    return dump(table.apply(RecordGone{key, ++revision}));
  }
  std::string reason(const std::string& key) const {
    const auto found = table.quarantined().find(key);
    return found == table.quarantined().end() ? "none" : found->second.reason;
  }
};

std::string with_both(const std::string& public_ip, const std::string& public_ip6) {
  return value(public_ip, R"(,"PublicIPv6":")" + public_ip6 + "\"");
}

TEST_F(LeaseTableFamiliesTest, ALeaseNeedsASubnetOfTheNetworkAndAnAddressOfAHost) {
  const std::string both = with_both("192.0.2.1", "2001:db8::1");
  const auto used = [&](const std::vector<IpPrefix>& in, const char* key, const std::string& text) {
    table = LeaseTable(in);
    put(key, text);
    if (table.leases().empty()) return reason(key);
    return to_string(table.leases().begin()->second.lease->attributes.public_ips());
  };
  const char* key = "10.5.1.0-24&fd00:0:0:1::-64";
  EXPECT_EQ(used(networks, key, both), "192.0.2.1,2001:db8::1");
  EXPECT_EQ(used(network, key, both), "192.0.2.1,2001:db8::1");
  EXPECT_EQ(used({networks[1]}, key, both), "192.0.2.1,2001:db8::1");
  EXPECT_EQ(used(networks, "10.5.1.0-24&fd01::-64", both), "192.0.2.1,2001:db8::1");
  EXPECT_EQ(used(networks, "10.6.1.0-24&fd00:0:0:1::-64", both), "192.0.2.1,2001:db8::1");
  EXPECT_EQ(used(networks, key, value("192.0.2.1")), "192.0.2.1");
  EXPECT_EQ(used(networks, key, value("0.0.0.0", R"(,"PublicIPv6":"2001:db8::1")")), "2001:db8::1");
  for (const char* no_host : {"::", "::1", "ff02::1", "::ffff:192.0.2.1", "::192.0.2.1"})
    EXPECT_EQ(used(networks, key, with_both("192.0.2.1", no_host)), "192.0.2.1") << no_host;
  EXPECT_EQ(used(networks, "0.0.0.0-0&fd00:0:0:1::-64", value("192.0.2.1")), "192.0.2.1");
  EXPECT_EQ(used(networks, "10.5.1.0-24", value("0.0.0.0", R"(,"PublicIPv6":"2001:db8::1")")),
            "2001:db8::1");
  EXPECT_EQ(used(networks, "0.0.0.0-0&fd00:0:0:1::-64", value("0.0.0.0")),
            "PublicIP 0.0.0.0 is not the address of a host");
  EXPECT_EQ(used(networks, key, with_both("0.0.0.0", "::1")),
            "neither PublicIP 0.0.0.0 nor PublicIPv6 ::1 is the address of a host");
  EXPECT_EQ(used(network, "0.0.0.0-0&fd00:0:0:1::-64", both),
            "fd00:0:0:1::/64: the network has no IPv6");
  EXPECT_EQ(used({networks[1]}, "10.5.1.0-24", both), "10.5.1.0/24: the network has no IPv4");
  EXPECT_EQ(used(networks, "0.0.0.0-0&fd01::-64", both),
            "fd01::/64 is outside of the network fd00::/48");
}

// Otherwise its MAC would be that of a device to which nothing is sent.
TEST_F(LeaseTableFamiliesTest, TheDataOfAnAddressThatIsNoHostsIsLeftOut) {
  const auto data_of = [&](const char* public_ip, const char* public_ip6) {
    put("10.5.1.0-24&fd00:0:0:1::-64",
        value(public_ip, std::string(R"(,"PublicIPv6":")") + public_ip6 +
                             R"(","BackendType":"vxlan","BackendData":4,"BackendV6Data":6)"));
    const LeaseAttributes& used = table.leases().begin()->second.lease->attributes;
    return used.backend_data + "," + used.backend_v6_data;
  };
  EXPECT_EQ(data_of("192.0.2.1", "2001:db8::1"), "4,6");
  EXPECT_EQ(data_of("192.0.2.1", "::"), "4,");
  EXPECT_EQ(data_of("127.0.0.1", "2001:db8::1"), ",6");
}

TEST_F(LeaseTableFamiliesTest, LeasesThatOverlapInOneFamilyExcludeEachOther) {
  const auto of = [](int host) {
    return with_both("192.0.2." + std::to_string(host), "2001:db8::" + std::to_string(host));
  };
  put("10.5.1.0-24&fd00:0:0:1::-64", of(1));
  EXPECT_EQ(put("10.5.2.0-24&fd00:0:0:1::-64", of(2)), "");
  EXPECT_EQ(put("10.5.2.0-24", of(3)), "+10.5.2.0/24@192.0.2.3") << "it overlaps no usable lease";
  EXPECT_EQ(put("0.0.0.0-0&fd00::-62", of(4)), "");
  EXPECT_EQ(reason("0.0.0.0-0&fd00::-62"),
            "overlaps 10.5.1.0/24,fd00:0:0:1::/64 of 192.0.2.1,2001:db8::1, which is older");
  EXPECT_EQ(gone("10.5.1.0-24&fd00:0:0:1::-64"),
            "-10.5.1.0/24,fd00:0:0:1::/64@192.0.2.1 -10.5.2.0/24@192.0.2.3 "
            "+10.5.2.0/24,fd00:0:0:1::/64@192.0.2.2");
}

// A host that begins to use IPv6 creates the new record before it deletes the former one.
TEST_F(LeaseTableFamiliesTest, ARecordInPlaceOfAFormerOneOfTheSameHostIsAnUpdate) {
  put("10.5.1.0-24", with_both("192.0.2.1", "2001:db8::1"));
  EXPECT_EQ(put("10.5.1.0-24&fd00:0:0:1::-64", with_both("192.0.2.1", "2001:db8::1")), "");
  EXPECT_EQ(gone("10.5.1.0-24"), "-10.5.1.0/24@192.0.2.1 +10.5.1.0/24,fd00:0:0:1::/64@192.0.2.1");
}

TEST_F(LeaseTableFamiliesTest, OurAddressOfEitherFamilyIsOurs) {
  const auto node = [](char digit) {
    return decode_node_tag(std::string(32, digit) + "/00000001").value();
  };
  const IpAddress ip6 = IpAddress::parse_v6("2001:db8::1").value();
  const auto by = [](char digit) {
    return R"(,"NodeID":")" + std::string(32, digit) + R"(/00000002")";
  };
  table = LeaseTable(networks, HostIdentity({IpAddress::v4(192, 0, 2, 1), ip6}, node('a')));
  const std::string with_ours = R"(,"PublicIPv6":"2001:db8::1")";
  EXPECT_EQ(put("10.5.2.0-24&fd00:0:0:2::-64", value("192.0.2.2", with_ours + by('b'))), "");
  EXPECT_EQ(put("10.5.3.0-24&fd00:0:0:3::-64", value("192.0.2.3", with_ours)), "");
  EXPECT_EQ(reason("10.5.3.0-24&fd00:0:0:3::-64"),
            "PublicIP 2001:db8::1 is our own, but another host wrote it");
  EXPECT_EQ(put("10.5.4.0-24", value("192.0.2.4", with_ours + by('b'))), "")
      << "packets for it may be sent to either address";
}

}  // namespace
}  // namespace flannel::lease_table_families_test
