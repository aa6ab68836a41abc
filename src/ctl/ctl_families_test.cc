// SPDX-License-Identifier: Apache-2.0
// The commands about leases in networks of both families.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/ctl_fixture.h"

namespace flannel::ctl_families_test {
namespace {

constexpr const char* kBoth =
    R"({"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00::/48",)"
    R"("Backend":{"Type":"vxlan"}})";
constexpr const char* kDual = "10.5.7.0-24&fd00:0:0:7::-64";

TEST_F(CtlTest, AConfigurationOfBothFamiliesIsShownForBoth) {
  const std::string both = ctl({"config", "check", kBoth}).out;
  EXPECT_TRUE(
      both.starts_with("network    10.5.0.0/16\n"
                       "subnets    255, one for each host: 10.5.1.0/24 to 10.5.255.0/24\n"
                       "addresses  254 on each host, one of them the bridge's\n"
                       "network    fd00::/48\n"
                       "subnets    65535, one for each host: fd00:0:0:1::/64 to "
                       "fd00:0:0:ffff::/64\n"
                       "addresses  2^64 on each host, one of them the bridge's\n"))
      << both;
  const std::string huge =
      ctl({"config", "check",
           R"({"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00::/8",)"
           R"("IPv6SubnetLen":126,"Backend":{"Type":"vxlan"}})"})
          .out;
  EXPECT_NE(huge.find("subnets    2^64 or more, one for each host: fd00::4/126 to "
                      "fdff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126\naddresses  2^2 on"),
            std::string::npos)
      << huge;
}

TEST_F(CtlTest, TheMtuIsThatOfTheFamiliesOfTheNetwork) {
  const auto mtu = [this](const std::string& rest) {
    const std::string out =
        ctl({"config", "check", R"({"Network":"10.5.0.0/16")" + rest + "}"}).out;
    return out.substr(out.find("mtu "), 15);
  };
  EXPECT_EQ(mtu(""), "mtu        1472");
  EXPECT_EQ(mtu(R"(,"EnableIPv6":true,"IPv6Network":"fd00::/48")"), "mtu        1452");
}

TEST_F(CtlTest, HostsThatKeepASubnetAreNotCutOffByAnotherFamily) {
  ctl({"config", "set", kVxlan});
  lease("10.5.7.0-24", R"({"PublicIP":"192.0.2.7"})");
  EXPECT_EQ(ctl({"config", "set", kBoth}).err, "");
  lease("10.5.8.0-24&fd00:0:0:8000::-64", R"({"PublicIP":"192.0.2.8","PublicIPv6":"2001:db8::8"})");
  lease("0.0.0.0-0&fd00:0:0:9::-64", R"({"PublicIP":"0.0.0.0","PublicIPv6":"2001:db8::9"})");
  const std::string other = R"({"Network":"10.5.0.0/16","EnableIPv6":true,)"
                            R"("IPv6Network":"fd00::/49","Backend":{"Type":"vxlan"}})";
  EXPECT_TRUE(ctl({"config", "set", other})
                  .err.starts_with("flannelctl: warning: 10.5.8.0/24,fd00:0:0:8000::/64 of "
                                   "192.0.2.8,2001:db8::8 is cut off: it is outside of the new "
                                   "network\nflannelctl: not written: 1 lease is cut off"));
  EXPECT_TRUE(ctl({"config", "set", kVxlan})
                  .err.starts_with("flannelctl: warning: fd00:0:0:9::/64 of 2001:db8::9 is cut "
                                   "off: the new configuration has none of its families\n"
                                   "flannelctl: not written: 1 lease is cut off"));
}

TEST_F(CtlTest, LeasesOfBothFamiliesAreListed) {
  ctl({"config", "set", kBoth});
  lease(kDual, R"({"PublicIP":"192.0.2.7","PublicIPv6":"2001:db8::7","BackendType":"vxlan",)"
               R"("BackendData":{"VNI":1},"BackendV6Data":{"VNI":2}})");
  lease("0.0.0.0-0&fd00:0:0:8::-64", R"({"PublicIP":"0.0.0.0","PublicIPv6":"2001:db8::8"})");
  EXPECT_EQ(
      ctl({"leases"}).out,
      "SUBNET                       PUBLIC-IP              BACKEND  BACKEND-DATA         KIND\n"
      "fd00:0:0:8::/64              2001:db8::8            -        -                    "
      "lease\n"
      "10.5.7.0/24,fd00:0:0:7::/64  192.0.2.7,2001:db8::7  vxlan    {\"VNI\":1},{\"VNI\":2}"
      "  lease\n");
  const auto json = nlohmann::json::parse(ctl({"leases", "--json"}).out);
  EXPECT_TRUE(json[0]["public_ip"].is_null());
  EXPECT_EQ(json[0]["public_ipv6"], "2001:db8::8");
  EXPECT_EQ(json[1]["public_ip"], "192.0.2.7");
  EXPECT_EQ(json[1]["backend_v6_data"]["VNI"], 2);
}

TEST_F(CtlTest, TwoNodesWithOneIPv6AddressAreBad) {
  ctl({"config", "set", kBoth});
  const auto value = [](int host, char node) {
    return R"({"PublicIP":"192.0.2.)" + std::to_string(host) +
           R"(","PublicIPv6":"2001:db8::7","NodeID":")" + std::string(32, node) + "/0000000" +
           node + "\"}";
  };
  lease(kDual, value(7, '1'));
  lease("10.5.8.0-24&fd00:0:0:8::-64", value(8, '2'));
  EXPECT_NE(ctl({"leases", "--bad"}).out.find("PublicIP 2001:db8::7 is also that of"),
            std::string::npos);
}

TEST_F(CtlTest, ASubnetOfEitherFamilyNamesTheRecordThatHasIt) {
  ctl({"config", "set", kBoth});
  lease(kDual, R"({"PublicIP":"192.0.2.7","PublicIPv6":"2001:db8::7"})");
  for (const char* word :
       {"10.5.7.0/24", "fd00:0:0:7::/64", "fd00:0:0:7::/64,10.5.7.0/24", kDual}) {
    EXPECT_EQ(ctl({"reserve", word, "--node=2001:db8::7"}).out,
              "10.5.7.0/24,fd00:0:0:7::/64 is reserved for 192.0.2.7,2001:db8::7\n")
        << word;
    EXPECT_EQ(ctl({"unreserve", word}).code, 0) << word;
  }
  EXPECT_EQ(ctl({"reserve", "10.5.7.0/24", "--node=2001:db8::8"}).err,
            "flannelctl: 192.0.2.7,2001:db8::7 has 10.5.7.0/24,fd00:0:0:7::/64\n");
  EXPECT_EQ(ctl({"reserve", "10.5.7.0/24,fd00:0:0:8::/64", "--node=192.0.2.8"}).err,
            "flannelctl: 10.5.7.0/24,fd00:0:0:8::/64 overlaps " + std::string(kDual) +
                ", which is there already\n");
}

TEST_F(CtlTest, FreeSubnetsOfOneOrBothFamiliesAreReserved) {
  ctl({"config", "set", kBoth});
  EXPECT_EQ(ctl({"reserve", "fd00:0:0:5::/64", "--node=2001:db8::5"}).out,
            "fd00:0:0:5::/64 is reserved for 2001:db8::5\n");
  EXPECT_EQ(ctl({"reserve", "10.5.6.0/24,fd00:0:0:6::/64", "--node=192.0.2.6"}).out,
            "10.5.6.0/24,fd00:0:0:6::/64 is reserved for 192.0.2.6\n");
  const auto why = [&](const char* subnet) {
    return ctl({"reserve", subnet, "--node=192.0.2.9"}).err;
  };
  EXPECT_EQ(why("10.5.9.0/24,fd01::/64"),
            "flannelctl: no host could have fd01::/64: subnets are /64 from fd00:0:0:1:: to "
            "fd00:0:0:ffff::\n");
  EXPECT_EQ(why("10.5.9.0/24,10.5.10.0/24"),
            "flannelctl: 10.5.9.0/24,10.5.10.0/24 is no subnet such as 10.5.52.0/24 or "
            "fd00:12::/64\n");
  EXPECT_EQ(ctl({"config", "set", "--force", kVxlan}).code, 0);
  EXPECT_EQ(why("fd00:0:0:9::/64"),
            "flannelctl: no host could have fd00:0:0:9::/64: the network has no IPv6\n");
}

}  // namespace
}  // namespace flannel::ctl_families_test
