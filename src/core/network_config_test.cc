// SPDX-License-Identifier: Apache-2.0
#include "core/network_config.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace flannel::network_config_test {
namespace {

NetworkConfig config(std::string_view text) {
  auto parsed = parse_network_config(text);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().text);
  return parsed ? parsed->config : NetworkConfig{};
}

std::string refusal(std::string_view text) {
  const auto parsed = parse_network_config(text);
  return parsed ? "no error" : parsed.error().text;
}

std::vector<std::string> warnings(std::string_view text) {
  return parse_network_config(text).value().warnings;
}

std::string range_text(const SubnetRange& range) {
  return to_string(range.first) + " " + to_string(range.last) + " /" +
         std::to_string(range.subnet_len);
}

std::string range(std::string_view text) {
  const NetworkConfig c = config(text);
  return range_text(*c.v4) + " " + std::to_string(c.v4->count());
}

std::string range6(std::string_view text) {
  const NetworkConfig c = config(text);
  return range_text(*c.v6);
}

TEST(NetworkConfigTest, PeersAreNamesOfNetworks) {
  const auto peers = [](std::string_view value) {
    return fmt::format(R"({{"Network":"10.5.0.0/16","Peers":{}}})", value);
  };
  EXPECT_EQ(config(peers(R"(["green","red"])")).peers, (std::vector<std::string>{"green", "red"}));
  EXPECT_TRUE(config(peers("[]")).peers.empty());
  EXPECT_TRUE(config(peers("null")).peers.empty());
  EXPECT_TRUE(warnings(peers(R"(["green"])")).empty());
  for (const char* wrong : {R"("green")", "[1]", R"(["a/b"])", R"({"green":true})"}) {
    EXPECT_EQ(refusal(peers(wrong)).find("Peers "), 0U) << refusal(peers(wrong));
  }
}

TEST(NetworkConfigTest, DerivesWhatIsNotGiven) {
  EXPECT_EQ(range(R"({"Network":"10.3.0.0/16"})"), "10.3.1.0 10.3.255.0 /24 255");
  EXPECT_EQ(range(R"({"Network":"10.3.0.0/22"})"), "10.3.1.0 10.3.3.0 /24 3");
  EXPECT_EQ(range(R"({"Network":"10.3.0.0/23"})"), "10.3.0.128 10.3.1.128 /25 3");
  EXPECT_EQ(range(R"({"Network":"10.3.0.0/24"})"), "10.3.0.64 10.3.0.192 /26 3");
  EXPECT_EQ(range(R"({"Network":"10.3.0.0/28"})"), "10.3.0.4 10.3.0.12 /30 3");
  EXPECT_EQ(range(R"({"Network":"10.0.0.0/8"})"), "10.0.1.0 10.255.255.0 /24 65535");
  EXPECT_EQ(range(R"({"Network":"10.3.0.0/16","SubnetLen":0})"), "10.3.1.0 10.3.255.0 /24 255");
}

TEST(NetworkConfigTest, WideAndHighNetworksDoNotWrap) {
  EXPECT_EQ(range(R"({"Network":"192.0.0.0/3","SubnetLen":30})"),
            "192.0.0.4 223.255.255.252 /30 134217727");
  EXPECT_EQ(range(R"({"Network":"223.255.0.0/16"})"), "223.255.1.0 223.255.255.0 /24 255");
  EXPECT_EQ(to_string(config(R"({"Network":"223.255.255.0/24"})").v4->at(2)), "223.255.255.192/26");
}

// The kernel routes no packets of these networks, or treats them as its own: no container could be
// reached.
TEST(NetworkConfigTest, RefusesNetworksInWhichNoContainerCanBe) {
  for (const char* network : {"0.0.0.0/1", "0.0.0.0/8", "0.5.0.0/16", "127.0.0.0/8", "127.5.0.0/16",
                              "126.0.0.0/7", "169.254.0.0/16", "169.254.7.0/24", "168.0.0.0/5",
                              "224.0.0.0/8", "224.0.0.0/16", "239.1.0.0/16", "192.0.0.0/2",
                              "128.0.0.0/1", "240.0.0.0/4", "250.1.0.0/16", "255.255.0.0/16"}) {
    const std::string said = refusal(fmt::format(R"({{"Network":"{}"}})", network));
    EXPECT_TRUE(said.ends_with(": containers cannot have such addresses")) << network << said;
    EXPECT_TRUE(said.starts_with(fmt::format("Network \"{}\"", network))) << said;
  }
  EXPECT_EQ(refusal(R"({"Network":"127.5.0.0/16"})"),
            R"(Network "127.5.0.0/16" in the network config: lies in 127.0.0.0/8, which is each )"
            "host's own loopback: containers cannot have such addresses");
  EXPECT_EQ(refusal(R"({"Network":"168.0.0.0/5"})"),
            R"(Network "168.0.0.0/5" in the network config: contains 169.254.0.0/16, which is for )"
            "link-local addresses, which are not routed: containers cannot have such addresses");
  for (const char* network :
       {"10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15",
        "1.0.0.0/8", "126.0.0.0/8", "128.0.0.0/8", "169.253.0.0/16", "169.255.0.0/16",
        "203.0.113.0/24", "223.0.0.0/8"}) {
    EXPECT_EQ(refusal(fmt::format(R"({{"Network":"{}"}})", network)), "no error") << network;
  }
}

TEST(NetworkConfigTest, RefusesSuchNetworksOfIpv6Too) {
  for (const char* network :
       {"::/64", "::/1", "fe80::/48", "fe80:1::/64", "ff02::/48", "f000::/4"}) {
    const std::string said = refusal(fmt::format(
        R"({{"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"{}"}})", network));
    EXPECT_TRUE(said.ends_with(": containers cannot have such addresses")) << network << said;
  }
}

TEST(NetworkConfigTest, TakesWhatIsGiven) {
  const char* text = R"({"Network":"10.3.99.99/16","SubnetLen":28,"SubnetMin":"10.3.5.0",
                         "SubnetMax":"10.3.8.0","Backend":{"Type":"VXLAN","VNI":7},
                         "EnableNFTables":true})";
  const NetworkConfig c = config(text);
  EXPECT_EQ(to_string(c.v4->network), "10.3.0.0/16") << "host bits are masked off";
  EXPECT_EQ(range(text), "10.3.5.0 10.3.8.0 /28 49");
  EXPECT_EQ(c.backend_type, "vxlan") << "looked up in lower case";
  EXPECT_EQ(c.backend_options, R"({"Type":"VXLAN","VNI":7})");
  EXPECT_TRUE(c.v4);
  EXPECT_FALSE(c.v6);
  EXPECT_TRUE(c.enable_nftables);
  EXPECT_TRUE(warnings(text).empty());
}

TEST(NetworkConfigTest, FirstSubnetIsUsedOnlyIfAskedFor) {
  EXPECT_EQ(range(R"({"Network":"10.3.0.0/16","SubnetMin":"10.3.0.0"})"),
            "10.3.0.0 10.3.255.0 /24 256");
}

TEST(NetworkConfigTest, ZeroAddressCountsAsUnset) {
  EXPECT_EQ(range(R"({"Network":"10.3.0.0/16","SubnetMin":"0.0.0.0","SubnetMax":"0.0.0.0"})"),
            "10.3.1.0 10.3.255.0 /24 255");
}

TEST(NetworkConfigTest, KeysMatchInAnyCaseAndTheLastWins) {
  EXPECT_EQ(range(R"({"network":"10.3.0.0/16","SUBNETLEN":28,"subnetlen":26})"),
            "10.3.0.64 10.3.255.192 /26 1023");
  EXPECT_TRUE(config(R"({"network":"10.3.0.0/16","enableNftables":true})").enable_nftables);
}

TEST(NetworkConfigTest, BackendTypeHasThreeWaysToBeAbsent) {
  EXPECT_EQ(config(R"({"Network":"10.3.0.0/16"})").backend_type, "udp");
  EXPECT_EQ(config(R"({"Network":"10.3.0.0/16","Backend":{}})").backend_type, "");
  EXPECT_EQ(config(R"({"Network":"10.3.0.0/16","Backend":null})").backend_type, "");
  EXPECT_EQ(config(R"({"Network":"10.3.0.0/16","Backend":{"Type":null}})").backend_type, "");
  EXPECT_EQ(config(R"({"Network":"10.3.0.0/16","backend":{"type":"host-gw"}})").backend_type,
            "host-gw");
  EXPECT_EQ(refusal(R"({"Network":"10.3.0.0/16","Backend":"vxlan"})"),
            R"(Backend "vxlan" in the network config: must be an object, like {"Type": "vxlan"})");
  EXPECT_EQ(refusal(R"({"Network":"10.3.0.0/16","Backend":{"Type":7}})"),
            "Type 7 in the Backend of the network config: must be a string, in double quotes");
}

TEST(NetworkConfigTest, SubnetLenHasToFitTheNetwork) {
  EXPECT_EQ(refusal(R"({"Network":"10.3.0.0/16","SubnetLen":31})"),
            "SubnetLen 31 in the network config: must be less than /31: a subnet needs four "
            "addresses");
  EXPECT_EQ(refusal(R"({"Network":"10.3.0.0/16","SubnetLen":17})"),
            "SubnetLen 17 in the network config: network must be able to accommodate at least "
            "four subnets, so it must be 18 or more in a /16");
  EXPECT_EQ(refusal(R"({"Network":"10.3.0.0/16","SubnetLen":18})"), "no error");
  EXPECT_EQ(refusal(R"({"Network":"10.3.0.0/16","SubnetLen":30})"), "no error");
  EXPECT_EQ(refusal(R"({"Network":"10.3.0.0/29"})"),
            R"(Network "10.3.0.0/29" in the network config: network is too small. Minimum useful )"
            "network prefix is /28");
  EXPECT_EQ(refusal(R"({"Network":"10.3.0.0/32"})"),
            R"(Network "10.3.0.0/32" in the network config: network is too small. Minimum useful )"
            "network prefix is /28");
}

TEST(NetworkConfigTest, SubnetLenIsAWholeNumber) {
  EXPECT_EQ(refusal(R"({"Network":"10.3.0.0/16","SubnetLen":"24"})"),
            R"(SubnetLen "24" in the network config: must be a whole number, without quotes)");
  for (const char* len : {"24.5", "24.0", "true", "[24]", "18446744073709551615"}) {
    const std::string text = std::string(R"({"Network":"10.3.0.0/16","SubnetLen":)") + len + "}";
    EXPECT_EQ(refusal(text),
              std::string("SubnetLen ") + len + " in the network config: must be a whole number");
  }
  EXPECT_EQ(refusal(R"({"Network":"10.3.0.0/16","SubnetLen":-1})"),
            "SubnetLen -1 in the network config: must not be negative");
  EXPECT_EQ(refusal(R"({"Network":"10.3.0.0/16","SubnetLen":null})"), "no error");
}

TEST(NetworkConfigTest, NetworkIsMandatory) {
  EXPECT_EQ(refusal("{}"),
            "Network in the network config: please define a correct Network parameter in the "
            "flannel config");
  EXPECT_EQ(refusal(R"({"Network":"0.0.0.0/0"})"),
            R"(Network "0.0.0.0/0" in the network config: please define a correct Network )"
            "parameter in the flannel config");
  EXPECT_EQ(refusal(R"({"Network":null})"), "Network null in the network config: must not be null");
  EXPECT_EQ(refusal(R"({"Network":10})"),
            "Network 10 in the network config: must be a string, in double quotes");
  for (const char* bad : {"10.3.0.0", "10.3.0.0/33", "10.03.0.0/16", "fd00::/48", "", "x"}) {
    EXPECT_NE(refusal(std::string(R"({"Network":")") + bad + "\"}"), "no error") << bad;
  }
}

TEST(NetworkConfigTest, WhatStandsInPlaceOfTheNetworkIsNamed) {
  const std::string rule =
      "Network in the network config: please define a correct Network parameter in the flannel "
      "config";
  EXPECT_EQ(refusal(R"({"Network ":"10.3.0.0/16","Backend":{"Type":"vxlan"}})"),
            rule + R"(; the key "Network " is unknown; did you mean Network?)");
  EXPECT_EQ(refusal(R"({"netwrok":"10.3.0.0/16","SubnetLen":24})"),
            rule + R"(; the key "netwrok" is unknown; did you mean Network?)");
  EXPECT_EQ(refusal(R"({"config":{"Network":"10.3.0.0/16"}})"),
            rule + R"(; the key "config" is unknown)");
  EXPECT_EQ(refusal(R"({"Backend":{"Type":"vxlan","Network":"10.3.0.0/16"}})"),
            rule + "; Network stands inside of Backend, it belongs beside it");
  EXPECT_EQ(refusal(R"({"a":1,"b":1,"c":1,"d":1})"),
            rule + R"(; the key "a" is unknown; the key "b" is unknown; the key "c" is unknown)");
  EXPECT_LT(refusal("{\"" + std::string(100000, 'N') + "\":1}").size(), 250U);
}

TEST(NetworkConfigTest, AKeyInTheWrongPlaceIsNamed) {
  EXPECT_EQ(warnings(R"({"Network":"10.3.0.0/16","type":"vxlan","VNI":7})"),
            (std::vector<std::string>{R"(unknown key "type" is ignored; it belongs into Backend)",
                                      R"(unknown key "VNI" is ignored; it belongs into Backend)"}));
  EXPECT_EQ(warnings(R"({"Network":"10.3.0.0/16","SubnetLength":24})"),
            (std::vector<std::string>{
                R"(unknown key "SubnetLength" is ignored; did you mean SubnetLen?)"}));
  EXPECT_EQ(warnings(R"({"Network":"10.3.0.0/16","network":"10.4.0.0/16"})"),
            (std::vector<std::string>{"Network is there more than once, the last one counts"}));
}

TEST(NetworkConfigTest, BoundsLieInTheNetworkOnTheSubnetGridAndInOrder) {
  EXPECT_EQ(refusal(R"({"Network":"10.3.0.0/16","SubnetMin":"10.4.0.0"})"),
            R"(SubnetMin "10.4.0.0" in the network config: is not in the range of the Network )"
            "10.3.0.0/16");
  EXPECT_EQ(refusal(R"({"Network":"10.3.0.0/16","SubnetMax":"10.2.255.0"})"),
            R"(SubnetMax "10.2.255.0" in the network config: is not in the range of the Network )"
            "10.3.0.0/16");
  EXPECT_EQ(refusal(R"({"Network":"10.3.0.0/16","SubnetMin":"10.3.5.128"})"),
            R"(SubnetMin "10.3.5.128" in the network config: is not on a SubnetLen boundary: no )"
            "/24 begins there");
  EXPECT_EQ(refusal(R"({"Network":"10.3.0.0/16","SubnetMax":"10.3.5.1"})"),
            R"(SubnetMax "10.3.5.1" in the network config: is not on a SubnetLen boundary: no )"
            "/24 begins there");
  EXPECT_EQ(refusal(R"({"Network":"10.3.0.0/16","SubnetMin":"10.3.9.0","SubnetMax":"10.3.8.0"})"),
            R"(SubnetMin "10.3.9.0" in the network config: SubnetMin 10.3.9.0 must not be after )"
            "SubnetMax 10.3.8.0");
  EXPECT_EQ(refusal(R"({"Network":"10.3.0.0/16","SubnetMax":"10.3.0.0"})"),
            R"(SubnetMax "10.3.0.0" in the network config: SubnetMin 10.3.1.0 must not be after )"
            "SubnetMax 10.3.0.0");
  EXPECT_EQ(range(R"({"Network":"10.3.0.0/16","SubnetMin":"10.3.9.0","SubnetMax":"10.3.9.0"})"),
            "10.3.9.0 10.3.9.0 /24 1");
  EXPECT_EQ(refusal(R"({"Network":"10.3.0.0/16","SubnetMin":null})"),
            "SubnetMin null in the network config: must not be null");
}

TEST(NetworkConfigTest, DerivesIPv6Ranges) {
  const std::string head = R"({"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":)";
  EXPECT_EQ(range6(head + R"("fc00::/48"})"), "fc00:0:0:1:: fc00:0:0:ffff:: /64");
  EXPECT_EQ(range6(head + R"("fc00::/62"})"), "fc00:0:0:1:: fc00:0:0:3:: /64");
  EXPECT_EQ(range6(head + R"("fc00::/63"})"), "fc00::8000:0:0:0 fc00:0:0:1:8000:: /65")
      << "a network that cannot hold four /64";
  EXPECT_EQ(range6(head + R"("fc00::/124"})"), "fc00::4 fc00::c /126");
  EXPECT_EQ(range6(head + R"("fc00::/48","IPv6SubnetLen":56,"IPv6SubnetMin":"fc00::",
                              "IPv6SubnetMax":null})"),
            "fc00:: fc00:0:0:ff00:: /56");
  EXPECT_EQ(range6(head + R"("fdff::/16"})"), "fdff:0:0:1:: fdff:ffff:ffff:ffff:: /64");
  EXPECT_EQ(config(head + R"("fc00::/48"})").v6->count(), 65535U);
}

TEST(NetworkConfigTest, ChecksIPv6LikeIPv4) {
  const std::string head = R"({"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":)";
  const auto has = [&](const std::string& rest, const std::string& part) {
    EXPECT_NE(refusal(head + rest).find(part), std::string::npos) << refusal(head + rest);
  };
  has(R"("fc00::/48","IPv6SubnetLen":127})",
      "IPv6SubnetLen 127 in the network config: must be "
      "less than /127");
  has(R"("fc00::/48","IPv6SubnetLen":49})", "at least four subnets");
  has(R"("fc00::/125"})", "Minimum useful network prefix is /124");
  has(R"("::/0"})", "please define a correct IPv6Network parameter");
  has(R"("fc00::/48","IPv6SubnetMin":"fd00::"})", "is not in the range of the IPv6Network");
  has(R"("fc00::/48","IPv6SubnetMin":"fc00::1"})", "is not on a SubnetLen boundary");
  has(R"("fc00::/48","IPv6SubnetMin":"fc00:0:0:9::","IPv6SubnetMax":"fc00:0:0:8::"})",
      "must not be after");
  has(R"("10.3.0.0/16"})", "is not an IPv6 network");
  has("null}", "must not be null");
  EXPECT_NE(refusal(R"({"EnableIPv6":true,"Network":"10.3.0.0/16"})").find("IPv6Network"),
            std::string::npos);
}

TEST(NetworkConfigTest, DualStackHasBothRanges) {
  const char* text = R"({"EnableIPv6":true,"Network":"10.3.0.0/16","IPv6Network":"fc00::/48"})";
  EXPECT_EQ(range(text), "10.3.1.0 10.3.255.0 /24 255");
  EXPECT_EQ(range6(text), "fc00:0:0:1:: fc00:0:0:ffff:: /64");
}

TEST(NetworkConfigTest, NoFamilyAtAllIsRefused) {
  EXPECT_EQ(refusal(R"({"EnableIPv4":false,"Network":"10.3.0.0/16"})"),
            "EnableIPv4 false in the network config: neither IPv4 nor IPv6 is enabled");
  EXPECT_EQ(refusal(R"({"EnableIPv4":"yes"})"),
            R"(EnableIPv4 "yes" in the network config: must be true or false)");
}

TEST(NetworkConfigTest, WarnsOfWhatHasNoEffect) {
  EXPECT_EQ(
      warnings(R"({"Network":"10.3.0.0/16","SubnetLn":24,"Backends":{},"q\n":1})"),
      (std::vector<std::string>{R"(unknown key "SubnetLn" is ignored; did you mean SubnetLen?)",
                                R"(unknown key "Backends" is ignored; did you mean Backend?)",
                                R"(unknown key "q\n" is ignored)"}));
  EXPECT_EQ(warnings(R"({"Network":"10.3.0.0/16","IPv6Network":"fc00::/48"})"),
            (std::vector<std::string>{"IPv6Network has no effect: EnableIPv6 is false"}));
  std::string many = R"({"Network":"10.3.0.0/16")";
  for (int i = 0; i < 1000; ++i)
    many += ",\"key" + std::to_string(i) + "\":1";
  EXPECT_EQ(warnings(many + "}").size(), 11U);
  EXPECT_EQ(warnings(many + "}").back(), "990 more unknown keys are ignored");
}

TEST(NetworkConfigTest, AllowsSubnetsOfTheGridInTheRange) {
  const NetworkConfig c = config(R"({"Network":"10.3.0.0/16","SubnetMax":"10.3.7.0"})");
  const auto allows = [&](const char* net) {
    return c.v4->allows(IpPrefix::parse_v4(net).value());
  };
  EXPECT_TRUE(allows("10.3.1.0/24"));
  EXPECT_TRUE(allows("10.3.7.0/24"));
  EXPECT_FALSE(allows("10.3.0.0/24"));
  EXPECT_FALSE(allows("10.3.8.0/24"));
  EXPECT_FALSE(allows("10.3.2.0/25"));
  EXPECT_FALSE(allows("10.3.2.0/23"));
}

TEST(NetworkConfigTest, TextThatIsNoObjectIsAnError) {
  for (const char* bad :
       {"", "[]", "null", "{\"Network\":\"10.3.0.0/16\"} trailing", "10.3.0.0/16"}) {
    EXPECT_NE(refusal(bad), "no error") << bad;
  }
}

}  // namespace
}  // namespace flannel::network_config_test
