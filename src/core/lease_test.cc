// SPDX-License-Identifier: Apache-2.0
#include "core/lease.h"

#include <gtest/gtest.h>

namespace flannel::lease_test {
namespace {

std::string key_error(std::string_view text) {
  const auto key = decode_subnet_key(text);
  return key ? "no error" : key.error().text;
}

std::string value_error(std::string_view json) {
  const auto value = decode_lease_value(json);
  return value ? "no error" : value.error().text;
}

TEST(LeaseValueTest, SaysWhichBackendItsHostHas) {
  LeaseAttributes lease{.public_ip = IpAddress::v4(192, 0, 2, 1)};
  lease.backend = AnnouncedBackend{.type = "udp", .port = 8285};
  const std::string text = encode_lease_value(lease);
  EXPECT_EQ(text,
            R"({"PublicIP":"192.0.2.1","PublicIPv6":null,"Backend":{"Type":"udp","Port":8285}})");
  EXPECT_EQ(decode_lease_value(text), lease);
  lease.backend = AnnouncedBackend{.type = "vxlan", .vni = 7, .port = 8472};
  EXPECT_EQ(decode_lease_value(encode_lease_value(lease)), lease);
}

// A later release may write another form; its peer is used anyway.
TEST(LeaseValueTest, AnUnknownFormOfTheBackendIsAsGoodAsNone) {
  for (const char* backend :
       {R"("udp")", "7", "[]", "{}", R"({"Port":1})", R"({"Type":"udp","Port":65536})",
        R"({"Type":"udp","Port":-1})", R"({"Type":"vxlan","VNI":16777216})", R"({"Type":7})"}) {
    const auto lease =
        decode_lease_value(R"({"PublicIP":"1.2.3.4","Backend":)" + std::string(backend) + "}");
    ASSERT_TRUE(lease) << backend;
    EXPECT_EQ(lease->backend, std::nullopt) << backend;
  }
}

TEST(SubnetKeyTest, RoundTripsOneFamilyAndBoth) {
  const SubnetKey v4 = decode_subnet_key("10.12.13.0-24").value();
  EXPECT_EQ(v4.v4, IpPrefix::parse_v4("10.12.13.0/24").value());
  EXPECT_EQ(v4.v6, std::nullopt);
  EXPECT_EQ(encode_subnet_key(v4), "10.12.13.0-24");
  EXPECT_EQ(to_string(v4), "10.12.13.0/24");

  const SubnetKey both = decode_subnet_key("10.12.13.0-24&fd00:12:13::-56").value();
  EXPECT_EQ(both.v4, v4.v4);
  EXPECT_EQ(both.v6, IpPrefix::parse_v6("fd00:12:13::/56").value());
  EXPECT_EQ(encode_subnet_key(both), "10.12.13.0-24&fd00:12:13::-56");
  EXPECT_EQ(to_string(both), "10.12.13.0/24,fd00:12:13::/56");
}

TEST(SubnetKeyTest, RoundTripsIPv6Alone) {
  const SubnetKey key = decode_subnet_key("0.0.0.0-0&fd00:12::-64").value();
  EXPECT_EQ(key, SubnetKey::of(IpPrefix::parse_v6("fd00:12::/64").value()));
  EXPECT_EQ(encode_subnet_key(key), "0.0.0.0-0&fd00:12::-64");
  EXPECT_EQ(to_string(key), "fd00:12::/64");
  for (const char* bad :
       {"0.0.0.0-0&", "0.0.0.0-0&fd00:12::1-64", "0.0.0.0-0&FD00:12::-64", "0.0.0.0-0&fd00::-128",
        "0.0.0.0-1&fd00:12::-64x", "&fd00:12::-64", "0.0.0.0&fd00:12::-64", "0-0&fd00:12::-64",
        "0.0.0.0-00&fd00:12::-64", "::-0&fd00:12::-64"}) {
    EXPECT_NE(key_error(bad), "no error") << bad;
  }
}

TEST(SubnetKeyTest, IsNamedByItsIPv4SubnetIfItHasOne) {
  const SubnetKey v4 = decode_subnet_key("10.5.1.0-24").value();
  const SubnetKey v6 = decode_subnet_key("0.0.0.0-0&fd00:0:0:1::-64").value();
  const SubnetKey both = decode_subnet_key("10.5.1.0-24&fd00:0:0:1::-64").value();
  EXPECT_EQ(to_string(v4.identity()), "10.5.1.0/24");
  EXPECT_EQ(to_string(v6.identity()), "fd00:0:0:1::/64");
  EXPECT_EQ(both.identity(), v4.identity());
  EXPECT_EQ(std::hash<SubnetKey>()(both), std::hash<SubnetKey>()(v4));
}

TEST(SubnetKeyTest, OneFamilyMakesAnOverlap) {
  const auto overlap = [](const char* one, const char* other) {
    const SubnetKey a = decode_subnet_key(one).value();
    const SubnetKey b = decode_subnet_key(other).value();
    EXPECT_EQ(a.overlaps(b), b.overlaps(a));
    EXPECT_EQ(a.shares_subnet_with(b), b.shares_subnet_with(a));
    EXPECT_TRUE(a.overlaps(b) || !a.shares_subnet_with(b));
    return a.shares_subnet_with(b) ? 2 : a.overlaps(b) ? 1 : 0;
  };
  EXPECT_EQ(overlap("10.5.1.0-24&fd00::-64", "10.5.1.0-24"), 2);
  EXPECT_EQ(overlap("10.5.1.0-24&fd00::-64", "10.5.2.0-24&fd00::-64"), 2);
  EXPECT_EQ(overlap("10.5.1.0-24&fd00::-64", "10.5.2.0-24&fd00::-56"), 1);
  EXPECT_EQ(overlap("10.5.1.0-24", "10.5.1.128-25"), 1);
  EXPECT_EQ(overlap("10.5.1.0-24", "0.0.0.0-0&fd00::-64"), 0);
  EXPECT_EQ(overlap("10.5.1.0-24&fd00::-64", "10.5.2.0-24&fd00:0:0:1::-64"), 0);
}

TEST(HostIdentityTest, IPv4DecidesIfBothHaveItElseIPv6) {
  const IpAddress one = IpAddress::v4(192, 0, 2, 1), two = IpAddress::v4(192, 0, 2, 2);
  const IpAddress one6 = IpAddress::parse_v6("fd00::1").value();
  const IpAddress two6 = IpAddress::parse_v6("fd00::2").value();
  const auto record = [](IpAddress v4, std::optional<IpAddress> v6) {
    LeaseAttributes made;
    made.public_ip = v4;
    made.public_ip6 = v6;
    return made;
  };
  const HostIdentity v4(one), v6(one6), both({one, one6});
  EXPECT_TRUE(v4.wrote(record(one, two6)));
  EXPECT_TRUE(both.wrote(record(one, two6)));
  EXPECT_FALSE(both.wrote(record(two, one6)));
  EXPECT_TRUE(both.wrote(record({}, one6)));
  EXPECT_FALSE(both.wrote(record({}, two6)));
  EXPECT_TRUE(v6.wrote(record(two, one6)));
  EXPECT_FALSE(v6.wrote(record(one, std::nullopt)));
  EXPECT_FALSE(v4.wrote(record({}, one6)));
  EXPECT_FALSE(HostIdentity(PublicIps()).wrote(record({}, std::nullopt)));
}

TEST(HostIdentityTest, OneOfThePreviousSubnetsIsEnough) {
  const auto tag = [](char id) { return decode_node_tag(std::string(32, id) + "/0000000" + id); };
  const HostIdentity us(IpAddress::v4(192, 0, 2, 1), tag('1').value(),
                        decode_subnet_key("10.5.1.0-24&fd00:0:0:1::-64").value());
  const auto by = [&](const char* key) {
    LeaseAttributes theirs{.public_ip = IpAddress::v4(192, 0, 2, 1)};
    theirs.node = tag('2').value();
    return us.ownership({decode_subnet_key(key).value(), theirs});
  };
  EXPECT_EQ(by("10.5.1.0-24"), Ownership::subnet_file);
  EXPECT_EQ(by("0.0.0.0-0&fd00:0:0:1::-64"), Ownership::subnet_file);
  EXPECT_EQ(by("10.5.2.0-24&fd00:0:0:1::-64"), Ownership::subnet_file);
  EXPECT_EQ(by("10.5.2.0-24&fd00:0:0:2::-64"), Ownership::none);
}

TEST(SubnetKeyTest, TakesTheLongestAndShortestKeys) {
  EXPECT_EQ(key_error("0.0.0.0-0"), "no error");
  EXPECT_EQ(key_error("255.255.255.254-31&ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe-127"),
            "no error");
}

TEST(SubnetKeyTest, RefusesEverythingElse) {
  for (const char* bad : {"",
                          "-",
                          "10",
                          "10.12.13.0",
                          "10.12.13-24",
                          "10.12.13.300-24",
                          "10.12.13.0-24hi",
                          "hi10.12.13.0-24",
                          " 10.12.13.0-24",
                          "10.12.13.0-24 ",
                          "10.12.13.0-24\n",
                          "10.12.13.0-",
                          "10.12.13.0-33",
                          "10.12.13.0-32",
                          "10.12.13.0-024",
                          "010.12.13.0-24",
                          "10.12.13.0--24",
                          "10.12.13.0/24",
                          "10.12.13.0-24-24",
                          "10.12.13.0-24/x",
                          "x/10.12.13.0-24",
                          "10.12.13.0-24&",
                          "&2001::-56",
                          "10.12.13.0-24&:12:13:-56",
                          "10.12.13.0-24&20011::-56",
                          "10.12.13.0-24&2001-56",
                          "10.12.13.0-24&2001::",
                          "10.12.13.0-24&2001::-56hi",
                          "10.12.13.0-24&2001::-128",
                          "10.12.13.0-24&2001::-56&2002::-56",
                          "10.12.13.0-24&10.12.14.0-24",
                          "fd00::-56"}) {
    EXPECT_NE(key_error(bad), "no error") << bad;
  }
  EXPECT_NE(key_error(std::string_view("10.12.13.0-24\0", 14)), "no error");
}

TEST(SubnetKeyTest, OneSubnetHasOneKey) {
  EXPECT_EQ(key_error("10.12.13.1-24"),
            R"(subnet key "10.12.13.1-24": must be written as 10.12.13.0-24)");
  EXPECT_NE(key_error("10.12.13.0-24&FD00::-56"), "no error");
  EXPECT_NE(key_error("10.12.13.0-24&fd00:0:0::-56"), "no error");
  EXPECT_NE(key_error("10.12.13.0-24&fd00::1-56"), "no error") << "host bits";
}

TEST(SubnetKeyTest, ErrorsQuoteStrangersTextsAndCutThem) {
  EXPECT_EQ(key_error("a\nb"), R"(subnet key "a\nb": "a\nb" is not like 10.5.52.0-24)");
  const std::string error = key_error(std::string(100000, 'x'));
  EXPECT_LT(error.size(), 100U);
}

TEST(LeaseValueTest, WritesWhatUpstreamWrites) {
  LeaseAttributes lease{.public_ip = IpAddress::v4(1, 2, 3, 4)};
  EXPECT_EQ(encode_lease_value(lease), R"({"PublicIP":"1.2.3.4","PublicIPv6":null})");

  lease = {.public_ip = IpAddress::v4(192, 168, 64, 3),
           .backend_type = "vxlan",
           .backend_data = R"({"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"})"};
  EXPECT_EQ(encode_lease_value(lease),
            R"({"PublicIP":"192.168.64.3","PublicIPv6":null,"BackendType":"vxlan",)"
            R"("BackendData":{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"}})");

  lease.public_ip6 = IpAddress::parse_v6("FD00:0::1").value();
  lease.backend_v6_data = R"({"VNI":1})";
  EXPECT_EQ(encode_lease_value(lease),
            R"({"PublicIP":"192.168.64.3","PublicIPv6":"fd00::1","BackendType":"vxlan",)"
            R"("BackendData":{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"},"BackendV6Data":{"VNI":1}})");
  EXPECT_EQ(decode_lease_value(encode_lease_value(lease)).value(), lease);
}

TEST(LeaseValueTest, ReadsWhatEveryReleaseWrites) {
  const LeaseAttributes v10 =
      decode_lease_value(R"({"PublicIP":"192.168.77.12","BackendType":"vxlan",)"
                         R"("BackendData":{"VtepMAC":"7a:90:55:c2:b7:c7"}})")
          .value();
  EXPECT_EQ(v10.public_ip, IpAddress::v4(192, 168, 77, 12));
  EXPECT_EQ(v10.public_ip6, std::nullopt);
  EXPECT_EQ(v10.backend_type, "vxlan");
  EXPECT_EQ(v10.backend_data, R"({"VtepMAC":"7a:90:55:c2:b7:c7"})");
  EXPECT_EQ(v10.backend_v6_data, "");

  const LeaseAttributes udp{.public_ip = IpAddress::v4(192, 168, 77, 11)};
  EXPECT_EQ(decode_lease_value(R"({"PublicIP":"192.168.77.11"})").value(), udp);
  EXPECT_EQ(decode_lease_value(R"({"PublicIP":"192.168.77.11","PublicIPv6":null})").value(), udp);
}

TEST(LeaseValueTest, ALongValueIsNamedByItsBeginning) {
  const auto refused = decode_lease_value(R"({"PublicIP":")" + std::string(100'000, '7') + "\"}");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("777..."), std::string::npos) << refused.error().text;
  EXPECT_LT(refused.error().text.size(), 300U);
}

TEST(LeaseValueTest, ReadsAnyOrderAnyCaseAndUnknownMembers) {
  const LeaseAttributes lease = decode_lease_value(
                                    " { \"backenddata\" : { \"a\" : [ 1 ] } , \"new\": {\"x\":1},"
                                    " \"BACKENDTYPE\":\"udp\", \"publicip\":\"1.2.3.4\","
                                    " \"PublicIPv6\":\"fd00::1\", \"BackendV6Data\":null } ")
                                    .value();
  EXPECT_EQ(lease.public_ip, IpAddress::v4(1, 2, 3, 4));
  EXPECT_EQ(lease.public_ip6, IpAddress::parse_v6("fd00::1").value());
  EXPECT_EQ(lease.backend_type, "udp");
  EXPECT_EQ(lease.backend_data, R"({"a":[1]})");
  EXPECT_EQ(lease.backend_v6_data, "");
}

TEST(LeaseValueTest, BackendDataMayBeAnyJson) {
  const auto data = [](std::string_view json) {
    return decode_lease_value(R"({"PublicIP":"1.2.3.4","BackendData":)" + std::string(json) + "}")
        .value()
        .backend_data;
  };
  EXPECT_EQ(data(R"("a key")"), R"("a key")");
  EXPECT_EQ(data("17"), "17");
  EXPECT_EQ(data("[1, 2]"), "[1,2]");
  EXPECT_EQ(data("null"), "");
}

TEST(LeaseValueTest, MarkupIsEscapedAsGoDoesAndReadInBothForms) {
  const LeaseAttributes lease{.public_ip = IpAddress::v4(1, 2, 3, 4),
                              .backend_type = "a&b",
                              .backend_data = "{\"k\":\"<&>\\n\xe2\x80\xa8\xe2\x80\xaa\"}"};
  const std::string json = encode_lease_value(lease);
  EXPECT_EQ(json, R"({"PublicIP":"1.2.3.4","PublicIPv6":null,"BackendType":"a\u0026b",)"
                  "\"BackendData\":{\"k\":\"\\u003c\\u0026\\u003e\\n\\u2028\xe2\x80\xaa\"}}");
  EXPECT_EQ(decode_lease_value(json).value(), lease);
  EXPECT_EQ(decode_lease_value(R"({"PublicIP":"1.2.3.4","BackendData":"<"})")->backend_data,
            decode_lease_value(R"({"PublicIP":"1.2.3.4","BackendData":"\u003C"})")->backend_data);
}

TEST(LeaseValueTest, TheNodeComesLastAndIsReadBack) {
  LeaseAttributes lease{.public_ip = IpAddress::v4(1, 2, 3, 4), .backend_type = "udp"};
  lease.node = decode_node_tag("00112233445566778899aabbccddeeff/0000000f").value();
  const std::string json = encode_lease_value(lease);
  EXPECT_EQ(json, R"({"PublicIP":"1.2.3.4","PublicIPv6":null,"BackendType":"udp",)"
                  R"("NodeID":"00112233445566778899aabbccddeeff/0000000f"})");
  EXPECT_EQ(decode_lease_value(json).value(), lease);
}

TEST(LeaseValueTest, ANodeOfAnotherFormIsNone) {
  for (const char* node :
       {"7", "null", "\"\"", "\"x/1\"", "{}", "\"00112233445566778899aabbccddeeff/0000000f/1\"",
        "\"00112233445566778899aabbccddeeff\""}) {
    const auto lease =
        decode_lease_value(R"({"PublicIP":"1.2.3.4","NodeID":)" + std::string(node) + "}");
    ASSERT_TRUE(lease) << node;
    EXPECT_FALSE(lease->node) << node;
  }
}

TEST(LeaseValueTest, TheMtuIsAnnouncedInTheBackendWhichUpstreamIgnores) {
  LeaseAttributes lease{.public_ip = IpAddress::v4(1, 2, 3, 4)};
  lease.backend = AnnouncedBackend{.type = "udp", .port = 8285};
  lease.mtu = 1472;
  const std::string json = encode_lease_value(lease);
  EXPECT_EQ(json, R"({"PublicIP":"1.2.3.4","PublicIPv6":null,)"
                  R"("Backend":{"Type":"udp","Port":8285,"MTU":1472}})");
  EXPECT_EQ(decode_lease_value(json).value(), lease);
}

TEST(LeaseValueTest, AnMtuThatNoHostCanHaveIsNoneAndTheBackendStays) {
  const auto read = [](const std::string& mtu) {
    return decode_lease_value(R"({"PublicIP":"1.2.3.4","Backend":{"Type":"host-gw","MTU":)" + mtu +
                              "}}")
        .value();
  };
  for (const char* odd : {"0", "-1", "65536", "4294967296", "4294968696", "18446744073709551616",
                          "1400.5", "1e99", "\"1400\"", "null", "true", "[1400]", "{}"}) {
    EXPECT_EQ(read(odd).mtu, 0U) << odd;
    EXPECT_EQ(read(odd).backend, (AnnouncedBackend{.type = "host-gw"})) << odd;
  }
  EXPECT_EQ(read("1").mtu, 1U) << "what a route makes of it is another question";
  EXPECT_EQ(read("65535").mtu, 65535U);
}

TEST(LeaseValueTest, ReadsImpossibleAddresses) {
  EXPECT_EQ(value_error(R"({"PublicIP":"127.0.0.1"})"), "no error");
  EXPECT_EQ(value_error(R"({"PublicIP":"224.0.0.1"})"), "no error");
  EXPECT_EQ(value_error(R"({"PublicIP":"0.0.0.0"})"), "no error");
}

TEST(LeaseValueTest, RefusesWhatIsNoLease) {
  EXPECT_EQ(value_error("{}"), "PublicIP in the lease: is missing");
  EXPECT_EQ(value_error(R"({"PublicIP":"1.2.3"})"),
            R"(PublicIP "1.2.3" in the lease: "1.2.3" is not an IPv4 address)");
  EXPECT_EQ(value_error(R"({"PublicIP":null})"), "PublicIP null in the lease: must not be null");
  EXPECT_EQ(value_error(R"({"PublicIP":"1.2.3.4","BackendType":7})"),
            "BackendType 7 in the lease: must be a string, in double quotes");
  EXPECT_EQ(value_error(R"({"PublicIP":"1.2.3.4","PublicIPv6":"1.2.3.4"})"),
            R"(PublicIPv6 "1.2.3.4" in the lease: "1.2.3.4" is not an IPv6 address)");
  for (const char* bad : {"", "hello", "null", "[]", "{\"PublicIP\":\"1.2.3.4\"", "\"1.2.3.4\""}) {
    EXPECT_NE(value_error(bad), "no error") << bad;
  }
}

}  // namespace
}  // namespace flannel::lease_test
