// SPDX-License-Identifier: Apache-2.0
#include "trace/nft_ruleset.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

namespace flannel::nft_ruleset_test {
namespace {

using namespace trace;

Packet packet() {
  return {.source = IpAddress::v4(10, 5, 1, 2),
          .destination = IpAddress::v4(10, 5, 2, 3),
          .in = "docker0",
          .out = "flannel.1"};
}

// A table with a set, a map, a chain "other" that drops, and a chain at the hook forward.
std::string listing(const std::string& expressions, const std::string& policy = "accept",
                    const std::string& family = "inet") {
  return fmt::format(
      R"({{"nftables": [{{"metainfo": {{"version": "1.0.6"}}}},
      {{"table": {{"family": "{0}", "name": "fw", "handle": 1}}}},
      {{"set": {{"family": "{0}", "table": "fw", "name": "bad", "elem":
        [{{"range": ["10.5.1.0", "10.5.1.9"]}}, {{"prefix": {{"addr": "10.9.0.0", "len": 16}}}}]}}}},
      {{"map": {{"family": "{0}", "table": "fw", "name": "zones", "map": "verdict", "elem":
        [["eth0", {{"accept": null}}], ["docker0", {{"jump": {{"target": "other"}}}}]]}}}},
      {{"chain": {{"family": "{0}", "table": "fw", "name": "other"}}}},
      {{"chain": {{"family": "{0}", "table": "fw", "name": "fwd", "type": "filter",
        "hook": "forward", "prio": 10, "policy": "{1}"}}}},
      {{"rule": {{"family": "{0}", "table": "fw", "chain": "other", "handle": 5,
        "expr": [{{"counter": {{"packets": 0}}}}, {{"drop": null}}]}}}},
      {{"rule": {{"family": "{0}", "table": "fw", "chain": "fwd", "handle": 7,
        "expr": [{2}]}}}}]}})",
      family, policy, expressions);
}

std::string match(const std::string& left, const std::string& right, const std::string& op = "==") {
  return fmt::format(R"({{"match": {{"op": "{}", "left": {}, "right": {}}}}},)", op, left, right);
}
std::string meta(const std::string& key) {
  return R"({"meta": {"key": ")" + key + R"("}})";
}
std::string field(const std::string& protocol, const std::string& name) {
  return fmt::format(R"({{"payload": {{"protocol": "{}", "field": "{}"}}}})", protocol, name);
}

// What drops the packet: "fwd 7", with "?" if that is not certain; "-": nothing.
std::string dropped(const std::string& json, const Packet& by = packet(),
                    bool with_iptables = true) {
  const auto tables = nft_tables({json, ""}, by, with_iptables);
  if (!tables) return tables.error().text;
  const auto drops = find_drops(*tables);
  if (drops.empty()) return "-";
  const std::string chain = drops[0].where.substr(drops[0].where.find("chain ") + 6);
  return chain + " " + drops[0].rule.substr(drops[0].rule.rfind(' ') + 1) +
         (drops[0].is_certain ? "" : "?");
}
std::string if_drop(const std::string& matches) {
  return dropped(listing(matches + R"({"drop": null})"));
}

TEST(NftRulesetTest, ARuleIsAskedForEachOfItsMatches) {
  EXPECT_EQ(if_drop(""), "fwd 7");
  EXPECT_EQ(if_drop(match(meta("iifname"), R"("docker0")")), "fwd 7");
  EXPECT_EQ(if_drop(match(meta("iifname"), R"("eth0")")), "-");
  EXPECT_EQ(if_drop(match(meta("iifname"), R"("docker*")")), "fwd 7");
  EXPECT_EQ(if_drop(match(meta("oifname"), R"({"set": ["eth0", "flannel.1"]})")), "fwd 7");
  EXPECT_EQ(if_drop(match(meta("oifname"), R"("flannel.1")", "!=")), "-");
  EXPECT_EQ(if_drop(match(field("ip", "saddr"), R"({"prefix": {"addr": "10.5.0.0", "len": 16}})") +
                    match(field("ip", "daddr"), R"("10.5.2.3")")),
            "fwd 7");
  EXPECT_EQ(if_drop(match(field("ip", "saddr"), R"("@bad")")), "fwd 7");
  EXPECT_EQ(if_drop(match(field("ip", "daddr"), R"("@bad")")), "-");
  EXPECT_EQ(if_drop(match(field("ip6", "saddr"), R"("fd00::1")", "!=")), "-") << "it is IPv4";
  EXPECT_EQ(if_drop(match(field("tcp", "dport"), "80")), "-") << "it is an echo";
  EXPECT_EQ(if_drop(match(meta("l4proto"), R"("icmp")")), "fwd 7");
  EXPECT_EQ(if_drop(match(meta("nfproto"), R"("ipv6")")), "-");
}

TEST(NftRulesetTest, TheFirstPacketOfAConnectionIsNew) {
  const std::string state = R"({"ct": {"key": "state"}})";
  EXPECT_EQ(if_drop(match(state, R"(["established", "related"])", "in")), "-");
  EXPECT_EQ(if_drop(match(state, R"({"set": ["established", "new"]})")), "fwd 7");
}

TEST(NftRulesetTest, AnAnswerIsOfAConnectionThatIsKnown) {
  Packet answer = packet();
  answer.is_answer = true;
  const auto drops = [&answer](const std::string& matches) {
    return dropped(listing(matches + R"({"drop": null})"), answer);
  };
  const std::string state = R"({"ct": {"key": "state"}})";
  EXPECT_EQ(drops(match(state, R"(["established", "related"])", "in")), "fwd 7");
  EXPECT_EQ(drops(match(state, R"("new")", "in")), "-");
  EXPECT_EQ(drops(match(field("icmp", "type"), R"("echo-reply")")), "fwd 7");
  EXPECT_EQ(drops(match(field("icmp", "type"), R"("echo-request")")), "-");
}

TEST(NftRulesetTest, PortsAreAskedOfTcp) {
  Packet web = packet();
  web.protocol = "tcp";
  web.port = 150;
  const std::string ports = match(field("tcp", "dport"), R"({"set": [80, {"range": [100, 200]}]})");
  EXPECT_EQ(dropped(listing(ports + R"({"reject": {"type": "icmpx"}})"), web), "fwd 7");
  web.port = 90;
  EXPECT_EQ(dropped(listing(ports + R"({"reject": null})"), web), "-");
  web.port.reset();
  EXPECT_EQ(dropped(listing(ports + R"({"reject": null})"), web), "fwd 7?");
}

TEST(NftRulesetTest, APingAsksForAnEcho) {
  EXPECT_EQ(if_drop(match(field("icmp", "type"), R"("echo-request")")), "fwd 7");
  EXPECT_EQ(if_drop(match(field("icmp", "type"), R"({"set": ["echo-reply", "redirect"]})")), "-");
  EXPECT_EQ(if_drop(match(field("icmp", "code"), "0")), "fwd 7?");
}

TEST(NftRulesetTest, SeveralPropertiesAreComparedTogether) {
  const auto concat = [](const std::string& one, const std::string& other) {
    return fmt::format(R"({{"concat": [{}, {}]}})", one, other);
  };
  const std::string devices = concat(meta("iifname"), meta("oifname"));
  const auto in = [](const std::string& elements) { return "{\"set\": [" + elements + "]}"; };
  const std::string other = concat(R"("docker0")", R"("eth0")");
  const std::string same = concat(R"("docker0")", R"("flannel.1")");
  EXPECT_EQ(if_drop(match(devices, in(other))), "-");
  EXPECT_EQ(if_drop(match(devices, in(other + "," + same))), "fwd 7");
  EXPECT_EQ(if_drop(match(devices, in(other), "!=")), "fwd 7");
  EXPECT_EQ(if_drop(match(devices, in(R"("docker0")"))), "fwd 7?") << "not of two parts";
  EXPECT_EQ(if_drop(match(devices, in(R"({"concat": ["docker0"]})"))), "fwd 7?");
  EXPECT_EQ(if_drop(match(concat(devices, meta("oifname")), in(same))), "fwd 7?");
  const std::string ways = concat(field("ip", "daddr"), meta("mark"));
  const std::string net = R"({"prefix": {"addr": "10.5.2.0", "len": 24}})";
  EXPECT_EQ(if_drop(match(ways, in(concat(net, "5")))), "fwd 7?") << "the mark is not known";
  EXPECT_EQ(if_drop(match(ways, in(concat(R"("10.9.9.9")", "5")))), "-");
  const std::string ports = concat(field("ip", "daddr"), field("tcp", "dport"));
  EXPECT_EQ(if_drop(match(ports, in(concat(net, "80")))), "-") << "a ping has no port";
  EXPECT_EQ(dropped(listing(R"({"vmap": {"key": )" + devices + R"(, "data": {"set": [[)" + same +
                            R"(, {"drop": null}]]}}})")),
            "fwd 7");
}

TEST(NftRulesetTest, AMapOfVerdictsIsFollowed) {
  const std::string named = R"({"vmap": {"key": {"meta": {"key": "iifname"}}, "data": "@zones"}})";
  EXPECT_EQ(dropped(listing(named)), "other 5");
  const std::string unread = R"({"vmap": {"key": {"meta": {"key": "iifname"}}, "data": "@gone"}})";
  EXPECT_EQ(dropped(listing(unread)).back(), '?') << dropped(listing(unread));
  const std::string own = R"({"vmap": {"key": {"meta": {"key": "iifname"}}, "data":
      {"set": [["docker0", {"accept": null}], ["lo", {"drop": null}]]}}})";
  EXPECT_EQ(dropped(listing(own, "drop")), "-");
}

TEST(NftRulesetTest, WhatIsNotKnownMakesTheAnswerUnknown) {
  EXPECT_EQ(if_drop(match(R"({"fib": {"result": "type"}})", R"("local")")), "fwd 7?");
  EXPECT_EQ(if_drop(match(R"({"&": [{"meta": {"key": "mark"}}, 255]})", "1")), "fwd 7?");
  EXPECT_EQ(if_drop(R"({"xt": {"type": "match", "name": "set"}},)"), "fwd 7?");
  EXPECT_EQ(if_drop(R"({"xt": {"type": "match", "name": "comment"}},)"), "fwd 7");
  EXPECT_EQ(if_drop(R"({"limit": {"rate": 5}},)"), "fwd 7?");
}

TEST(NftRulesetTest, ThePolicyAndTheFamilyCount) {
  EXPECT_EQ(dropped(listing(R"({"counter": null})", "drop")), "fwd drop");
  EXPECT_EQ(dropped(listing(R"({"drop": null})", "drop", "ip6")), "-");
  EXPECT_EQ(dropped(listing(R"({"drop": null})", "drop", "bridge")), "-");
}

// The listing with the chain "fwd" at another hook; `device`: "" or a member "dev".
std::string at_hook(const std::string& hook, const std::string& expressions,
                    const std::string& family, const std::string& device = "") {
  std::string text = listing(expressions + R"({"drop": null})", "accept", family);
  const std::string forward = R"("hook": "forward")";
  return text.replace(
      text.find(forward), forward.size(),
      R"("hook": ")" + hook + "\"" + (device.empty() ? "" : ", \"dev\": " + device));
}

// It comes in by a port of a bridge.
Packet from_bridge(std::vector<std::string> ports) {
  Packet made = packet();
  made.in_ports = std::move(ports);
  return made;
}

TEST(NftRulesetTest, TablesOfBridgesAreAskedWhereAPacketEntersOrLeavesABridge) {
  const Packet one = from_bridge({"veth1"});
  EXPECT_EQ(dropped(at_hook("prerouting", "", "bridge"), one), "fwd 7");
  EXPECT_EQ(dropped(at_hook("input", "", "bridge"), one), "fwd 7");
  EXPECT_EQ(dropped(at_hook("output", "", "bridge"), one), "-") << "it leaves by no bridge";
  EXPECT_EQ(dropped(at_hook("forward", "", "bridge"), one), "-") << "it is routed";
  EXPECT_EQ(dropped(at_hook("prerouting", "", "bridge")), "-") << "no bridge";
  const std::string by_port = match(meta("iifname"), R"("veth1")");
  EXPECT_EQ(dropped(at_hook("input", by_port, "bridge"), one), "fwd 7");
  EXPECT_EQ(dropped(at_hook("input", by_port, "bridge"), from_bridge({"veth2"})), "-");
  EXPECT_EQ(dropped(at_hook("input", by_port, "bridge"), from_bridge({"veth1", "veth2"})),
            "fwd 7?");
  EXPECT_EQ(dropped(at_hook("input", match(meta("ibrname"), R"("docker0")"), "bridge"), one),
            "fwd 7");
  EXPECT_EQ(dropped(at_hook("input", match(field("ether", "type"), R"("ip6")"), "bridge"), one),
            "-");
  EXPECT_EQ(dropped(at_hook("input", match(field("ip", "daddr"), R"("10.5.2.3")"), "bridge"), one),
            "fwd 7");
}

TEST(NftRulesetTest, TablesOfDevicesAreAskedForTheDevicesThatThePacketPasses) {
  for (const char* family : {"netdev", "inet"}) {
    EXPECT_EQ(dropped(at_hook("ingress", "", family, R"("docker0")")), "fwd 7");
    EXPECT_EQ(dropped(at_hook("ingress", "", family, R"(["eth0", "docker0"])")), "fwd 7");
    EXPECT_EQ(dropped(at_hook("ingress", "", family, R"("flannel.1")")), "-");
    EXPECT_EQ(dropped(at_hook("ingress", "", family)), "-");
  }
  EXPECT_EQ(dropped(at_hook("egress", "", "netdev", R"("flannel.1")")), "fwd 7");
  EXPECT_EQ(dropped(at_hook("egress", "", "netdev", R"("flannel*")")), "fwd 7");
  EXPECT_EQ(dropped(at_hook("egress", "", "netdev", R"("docker0")")), "-");
  const std::string port = at_hook("ingress", "", "netdev", R"("veth1")");
  EXPECT_EQ(dropped(port, from_bridge({"veth1"})), "fwd 7");
  EXPECT_EQ(dropped(port, from_bridge({"veth1", "veth2"})), "fwd 7?") << "behind which is it?";
  EXPECT_EQ(dropped(port, from_bridge({"veth2"})), "-");
}

TEST(NftRulesetTest, DevicesThatTheJsonLeavesOutAreReadFromTheText) {
  const std::string json = at_hook("ingress", "", "netdev");
  const auto drops = [&json](const std::string& devices) {
    const std::string text =
        "table netdev fw { # handle 1\n\tchain fwd { # handle 2\n\t\ttype filter "
        "hook ingress " +
        devices + " priority filter; policy accept;\n\t}\n}\n";
    return find_drops(nft_tables({json, text}, packet(), true).value()).size();
  };
  EXPECT_EQ(drops("device \"docker0\""), 1U);
  EXPECT_EQ(drops("devices = { \"eth0\", \"docker0\" }"), 1U);
  EXPECT_EQ(drops("device \"eth0\""), 0U);
}

TEST(NftRulesetTest, DatagramsOfThisHostPassItsOwnHooks) {
  Packet sent = packet();
  sent.protocol = "udp";
  sent.port = 8472;
  sent.course = Course::sent;
  Packet received = sent;
  received.course = Course::received;
  const std::string tunnel = match(field("udp", "dport"), "8472");
  EXPECT_EQ(dropped(at_hook("output", tunnel, "inet"), sent), "fwd 7");
  EXPECT_EQ(dropped(at_hook("output", tunnel, "inet"), received), "-");
  EXPECT_EQ(dropped(at_hook("input", tunnel, "inet"), received), "fwd 7");
  EXPECT_EQ(dropped(at_hook("input", tunnel, "inet"), sent), "-");
  EXPECT_EQ(dropped(at_hook("input", match(field("udp", "dport"), "53"), "inet"), received), "-");
  EXPECT_EQ(dropped(at_hook("ingress", tunnel, "netdev", R"("docker0")"), received), "fwd 7");
  received.is_new = false;
  const std::string state = match(R"({"ct": {"key": "state"}})", R"("new")", "in");
  EXPECT_EQ(dropped(at_hook("input", state, "inet"), received), "fwd 7?");
  EXPECT_EQ(dropped(at_hook("egress", tunnel, "netdev", R"("flannel.1")"), sent), "fwd 7");
  EXPECT_EQ(dropped(listing(R"({"drop": null})"), sent), "-") << "it is not forwarded";
}

TEST(NftRulesetTest, TablesOfIptablesAreLeftToIt) {
  std::string filter = listing(R"({"drop": null})", "accept", "ip");
  for (auto at = filter.find("\"fw\""); at != std::string::npos; at = filter.find("\"fw\""))
    filter.replace(at, 4, "\"filter\"");
  EXPECT_EQ(dropped(filter, packet(), true), "fwd 7");
  EXPECT_EQ(dropped(filter, packet(), false), "-");
}

TEST(NftRulesetTest, ARuleHasTheWordsOfTheListing) {
  const std::string text =
      "table inet fw { # handle 1\n\tchain fwd { # handle 2\n"
      "\t\tiifname \"docker0\" drop # handle 7\n\t}\n}\n";
  const auto tables = nft_tables({listing(R"({"drop": null})"), text}, packet(), true);
  ASSERT_TRUE(tables) << tables.error().text;
  const auto drops = find_drops(*tables);
  ASSERT_EQ(drops.size(), 1U);
  EXPECT_EQ(drops[0].rule, "iifname \"docker0\" drop");
  EXPECT_EQ(drops[0].where, "nftables table inet fw, chain fwd");
}

TEST(NftRulesetTest, WhatIsNoListingIsRefused) {
  for (const char* text : {"", "[]", "{}", "{\"nftables\": {}}", "{\"nftables\": ["})
    EXPECT_FALSE(nft_tables({text, ""}, packet(), true)) << text;
}

}  // namespace
}  // namespace flannel::nft_ruleset_test
