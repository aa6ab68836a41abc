// SPDX-License-Identifier: Apache-2.0
#include "core/config_change.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/lease_table.h"

namespace flannel::config_change_test {
namespace {

constexpr const char* kUdp = R"({"Type":"udp"})";
constexpr const char* kVxlan = R"({"Type":"vxlan"})";
constexpr const char* kHostGw = R"({"Type":"host-gw"})";
constexpr const char* kAlloc = R"({"Type":"alloc"})";

// The members of leases.
constexpr const char* kOurs = R"(,"NodeID":"11111111111111111111111111111111/00000001")";
constexpr const char* kVni1 = R"(,"BackendType":"vxlan","BackendData":{"VNI":1})";

NetworkConfig parsed(const std::string& text) {
  return parse_network_config(text).value().config;
}
NetworkConfig with_backend(const std::string& backend) {
  return parsed(R"({"Network":"10.5.0.0/16","Backend":)" + backend + "}");
}

std::string_view word(NetworkFate fate) {
  constexpr std::string_view words[] = {"stays", "added", "retired", "grown", "shrunk", "moved"};
  return words[static_cast<std::size_t>(fate)];
}
std::string_view word(DataPlaneFate fate) {
  constexpr std::string_view words[] = {"stays", "side by side"};
  return words[static_cast<std::size_t>(fate)];
}
std::string_view word(Objection why) {
  constexpr std::string_view words[] = {"outside", "no family", "does not follow",
                                        "GBP of one port"};
  return words[static_cast<std::size_t>(why)];
}

std::string networks_of(const ConfigChange& change) {
  std::string text;
  for (const auto& [family, fate, before, after] : change.networks)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", to_string(family), word(fate));
  return text;
}
std::string options_of(const ConfigChange& change) {
  std::string text;
  for (const auto& [key, before, after, makes_a_device] : change.options) {
    text += fmt::format("{}{} {} -> {}{}", text.empty() ? "" : ", ", key, before, after,
                        makes_a_device ? " by a new device" : "");
  }
  return text;
}
// "GBP of one port; 10.5.7.0/24 outside"
std::string objections_of(const ConfigChange& change) {
  std::string text;
  for (const Objection why : change.in_general)
    text += fmt::format("{}{}", text.empty() ? "" : "; ", word(why));
  for (const auto& [why, subnet, host] : change.cut_off)
    text += fmt::format("{}{} {}", text.empty() ? "" : "; ", to_string(subnet), word(why));
  return text;
}

class ConfigChangeTest : public testing::Test {
 protected:
  void lease(const std::string& key, const std::string& members) {
    snapshot.records.push_back({key, R"({"PublicIP":"192.0.2.7")" + members + "}", 1, "lease", 1});
  }
  ConfigChange plan(const std::optional<NetworkConfig>& running, const NetworkConfig& next) const {
    LeaseTable table(running ? running->networks() : std::vector<IpPrefix>());
    table.apply_snapshot(snapshot);
    return plan_change(running, next, table.leases());
  }
  ConfigChange plan(const std::string& running, const std::string& next) const {
    return plan(parsed(running), parsed(next));
  }
  ConfigChange backends(const std::string& running, const std::string& next) const {
    return plan(with_backend(running), with_backend(next));
  }
  Snapshot snapshot;
};

TEST_F(ConfigChangeTest, EachBackendIsMadeBesideEachOther) {
  lease("10.5.7.0-24", kOurs);
  for (const char* before : {kUdp, kVxlan, kHostGw, kAlloc}) {
    for (const char* after : {kUdp, kVxlan, kHostGw, kAlloc}) {
      const ConfigChange change = backends(before, after);
      ASSERT_TRUE(change.data_plane);
      EXPECT_EQ(change.data_plane->fate,
                before == after ? DataPlaneFate::stays : DataPlaneFate::side_by_side);
      EXPECT_EQ(change.data_plane->before, configured_backend(with_backend(before)));
      EXPECT_EQ(change.data_plane->after, configured_backend(with_backend(after)));
      EXPECT_EQ(options_of(change), "") << "defaults of one type are no change of the other";
      EXPECT_EQ(change.changes_nothing(), before == after) << before << after;
      EXPECT_EQ(networks_of(change), "IPv4 stays");
      EXPECT_FALSE(change.is_refused()) << before << after;
    }
  }
}

TEST_F(ConfigChangeTest, AHostOfAnotherFlannelThatHasTheOldBackendIsCutOff) {
  lease("10.5.1.0-24", "");
  lease("10.5.2.0-24", kVni1);
  lease("10.5.3.0-24", R"(,"BackendType":"host-gw")");
  lease("10.5.4.0-24", R"(,"BackendType":"ipip")");
  const std::map<std::string, std::string> left_behind = {{kUdp, "10.5.1.0/24 does not follow"},
                                                          {kVxlan, "10.5.2.0/24 does not follow"},
                                                          {kHostGw, "10.5.3.0/24 does not follow"},
                                                          {kAlloc, "10.5.1.0/24 does not follow"}};
  for (const auto& [before, expected] : left_behind) {
    for (const auto& [after, other] : left_behind) {
      const ConfigChange change = backends(before, after);
      EXPECT_EQ(objections_of(change), before == after ? "" : expected) << before << after;
      EXPECT_EQ(change.is_refused(), before != after);
      EXPECT_EQ(change.without_node_id, 4U);
    }
  }
}

struct OptionCase {
  const char *before, *after;
  DataPlaneFate plane;
  const char* options;
  const char* objections;  // with the lease of an upstream host on 10.5.2.0/24
};

TEST_F(ConfigChangeTest, EachKeyOfVxlanHasItsWayToChange) {
  lease("10.5.1.0-24", std::string(kVni1) + kOurs);
  lease("10.5.2.0-24", kVni1);
  lease("10.5.3.0-24", R"(,"BackendType":"vxlan","BackendData":{"VNI":2})");
  const OptionCase cases[] = {
      {R"("VNI":1)", R"("vni":1)", DataPlaneFate::stays, "", ""},
      {"", R"("VNI":1,"Port":8472,"Learning":false)", DataPlaneFate::stays, "", ""},
      {"", R"("Port":0,"MTU":0,"GBP":null)", DataPlaneFate::stays, "", ""},
      {"", R"("VNI":2)", DataPlaneFate::side_by_side, "", "10.5.2.0/24 does not follow"},
      {"", R"("VNI":2,"Port":4789)", DataPlaneFate::side_by_side, "",
       "10.5.2.0/24 does not follow"},
      {"", R"("Port":4789)", DataPlaneFate::side_by_side, "", "10.5.2.0/24 does not follow"},
      {"", R"("mtu":1400)", DataPlaneFate::stays, "MTU that of the underlay -> 1400", ""},
      {R"("MTU":1400)", R"("MTU":0)", DataPlaneFate::stays, "MTU 1400 -> that of the underlay", ""},
      {"", R"("LEARNING":true)", DataPlaneFate::stays, "Learning false -> true", ""},
      {R"("DirectRouting":true)", "", DataPlaneFate::stays, "DirectRouting true -> false", ""},
      {"", R"("GBP":true)", DataPlaneFate::stays, "GBP false -> true by a new device",
       "GBP of one port"},
      {R"("GBP":true)", R"("MTU":1400)", DataPlaneFate::stays,
       "MTU that of the underlay -> 1400, GBP true -> false by a new device", "GBP of one port"},
      {"", R"("GBP":true,"VNI":2)", DataPlaneFate::side_by_side,
       "GBP false -> true by a new device", "GBP of one port; 10.5.2.0/24 does not follow"},
      {"", R"("GBP":true,"VNI":2,"Port":4789)", DataPlaneFate::side_by_side, "GBP false -> true",
       "10.5.2.0/24 does not follow"},
      {"", R"("GBP":true,"Port":4789)", DataPlaneFate::side_by_side, "GBP false -> true",
       "10.5.2.0/24 does not follow"},
      {"", R"("Colour":1)", DataPlaneFate::stays, "", ""}};
  for (const auto& [before, after, plane, options, objections] : cases) {
    const auto backend = [](const std::string& members) {
      return R"({"Type":"vxlan")" + (members.empty() ? "" : "," + members) + "}";
    };
    const ConfigChange change = backends(backend(before), backend(after));
    EXPECT_EQ(word(change.data_plane->fate), word(plane)) << after;
    EXPECT_EQ(options_of(change), options) << after;
    EXPECT_EQ(objections_of(change), objections) << after;
  }
}

TEST_F(ConfigChangeTest, EachKeyOfUdpHasItsWayToChange) {
  lease("10.5.1.0-24", kOurs);
  lease("10.5.2.0-24", "");
  const OptionCase cases[] = {
      {R"("Port":8285)", "", DataPlaneFate::stays, "", ""},
      {"", R"("Port":9000)", DataPlaneFate::side_by_side, "", "10.5.2.0/24 does not follow"},
      {"", R"("AcceptAny":true)", DataPlaneFate::stays, "AcceptAny false -> true", ""},
      {"", R"("persistent":false)", DataPlaneFate::stays, "Persistent true -> false", ""},
      {R"("Queues":2)", "", DataPlaneFate::stays, "Queues 2 -> by the number of CPUs", ""},
      {"", R"("VNI":2)", DataPlaneFate::stays, "", ""}};
  for (const auto& [before, after, plane, options, objections] : cases) {
    const auto backend = [](const std::string& members) {
      return R"({"Type":"udp")" + (members.empty() ? "" : "," + members) + "}";
    };
    const ConfigChange change = backends(backend(before), backend(after));
    EXPECT_EQ(word(change.data_plane->fate), word(plane)) << after;
    EXPECT_EQ(options_of(change), options) << after;
    EXPECT_EQ(objections_of(change), objections) << after;
  }
}

TEST_F(ConfigChangeTest, ANewDataPlaneOfAnotherTypeHasNoOptionsToChange) {
  EXPECT_EQ(options_of(backends(kUdp, R"({"Type":"vxlan","Learning":true})")), "");
  EXPECT_EQ(options_of(backends(R"({"Type":"udp","Queues":2})", kHostGw)), "");
}

TEST_F(ConfigChangeTest, AnAbsentBackendIsUdp) {
  EXPECT_TRUE(plan(R"({"Network":"10.5.0.0/16"})",
                   R"({"Network":"10.5.0.0/16","Backend":{"Type":"UDP","Port":8285}})")
                  .changes_nothing());
}

TEST_F(ConfigChangeTest, OnlyHostsCanLosePackets) {
  EXPECT_FALSE(backends(kVxlan, R"({"Type":"vxlan","GBP":true})").is_refused());
  EXPECT_FALSE(backends(kVxlan, R"({"Type":"vxlan","VNI":2,"GBP":true})").is_refused());
}

struct NetworkCase {
  const char *before, *after;
  const char* networks;
  const char* objections;
};

// A configuration of these networks, IPv4 first; "-": the family is disabled.
std::string of_networks(std::string_view both) {
  const auto comma = both.find(' ');
  const std::string v4(both.substr(0, comma)), v6(both.substr(comma + 1));
  const std::string first = v4 == "-" ? R"("EnableIPv4":false)" : R"("Network":")" + v4 + "\"";
  const std::string second = v6 == "-" ? "" : R"(,"EnableIPv6":true,"IPv6Network":")" + v6 + "\"";
  return "{" + first + second + R"(,"Backend":{"Type":"vxlan"}})";
}

TEST_F(ConfigChangeTest, ALeaseOutsideOfTheNewNetworkIsCutOff) {
  lease("10.5.7.0-24", kOurs);
  lease("10.5.200.0-24", kVni1);
  const NetworkCase cases[] = {
      {"10.5.0.0/16 -", "10.5.0.0/16 -", "IPv4 stays", ""},
      {"10.5.0.0/16 -", "10.0.0.0/8 -", "IPv4 grown", ""},
      {"10.0.0.0/8 -", "10.5.0.0/16 -", "IPv4 shrunk", ""},
      {"10.5.0.0/16 -", "10.5.0.0/17 -", "IPv4 shrunk", "10.5.200.0/24 outside"},
      {"10.5.0.0/16 -", "10.6.0.0/16 -", "IPv4 moved",
       "10.5.7.0/24 outside; 10.5.200.0/24 outside"},
      {"10.5.0.0/16 -", "10.5.0.0/16 fd00::/48", "IPv4 stays, IPv6 added", ""},
      {"10.5.0.0/16 -", "10.5.0.0/17 fd00::/48", "IPv4 shrunk, IPv6 added",
       "10.5.200.0/24 outside"},
      {"10.5.0.0/16 fd00::/48", "10.5.0.0/16 -", "IPv4 stays, IPv6 retired", ""},
      {"10.5.0.0/16 fd00::/48", "- fd00::/48", "IPv4 retired, IPv6 stays",
       "10.5.7.0/24 no family; 10.5.200.0/24 no family"},
      {"10.5.0.0/16 -", "- fd00::/48", "IPv4 retired, IPv6 added",
       "10.5.7.0/24 no family; 10.5.200.0/24 no family"}};
  for (const auto& [before, after, networks, objections] : cases) {
    const ConfigChange change = plan(of_networks(before), of_networks(after));
    EXPECT_EQ(networks_of(change), networks) << before << " to " << after;
    EXPECT_EQ(objections_of(change), objections) << before << " to " << after;
  }
}

TEST_F(ConfigChangeTest, AFamilyOfTwoCanBeDisabledAndEnabled) {
  lease("10.5.7.0-24&fd00:0:0:7::-64", R"(,"PublicIPv6":"2001:db8::7")");
  lease("0.0.0.0-0&fd00:0:0:8000::-64", R"(,"PublicIPv6":"2001:db8::8")");
  const std::string ipv6_only = "fd00:0:0:8000::/64";
  const NetworkCase cases[] = {
      {"10.5.0.0/16 fd00::/48", "- fd00::/48", "IPv4 retired, IPv6 stays", ""},
      {"10.5.0.0/16 fd00::/48", "10.5.0.0/16 -", "IPv4 stays, IPv6 retired",
       "fd00:0:0:8000::/64 no family"},
      {"10.5.0.0/16 fd00::/48", "10.5.0.0/16 fd00::/47", "IPv4 stays, IPv6 grown", ""},
      {"10.5.0.0/16 fd00::/48", "10.5.0.0/16 fd00::/49", "IPv4 stays, IPv6 shrunk",
       "fd00:0:0:8000::/64 outside"},
      {"10.5.0.0/16 fd00::/48", "10.5.0.0/16 fd01::/48", "IPv4 stays, IPv6 moved",
       "fd00:0:0:8000::/64 outside; 10.5.7.0/24,fd00:0:0:7::/64 outside"},
      {"10.5.0.0/16 -", "10.5.0.0/16 fd01::/48", "IPv4 stays, IPv6 added", ""}};
  for (const auto& [before, after, networks, objections] : cases) {
    const ConfigChange change = plan(of_networks(before), of_networks(after));
    EXPECT_EQ(networks_of(change), networks) << before << " to " << after;
    EXPECT_EQ(objections_of(change), objections) << before << " to " << after;
  }
}

TEST_F(ConfigChangeTest, OtherRulesForNewLeasesCutNobodyOff) {
  lease("10.5.7.0-24", kOurs);
  for (const char* rule :
       {R"("SubnetLen":25)", R"("SubnetMin":"10.5.8.0")", R"("SubnetMax":"10.5.6.0")"}) {
    const ConfigChange change = plan(R"({"Network":"10.5.0.0/16"})",
                                     R"({"Network":"10.5.0.0/16",)" + std::string(rule) + "}");
    EXPECT_EQ(networks_of(change), "IPv4 stays");
    EXPECT_FALSE(change.is_refused()) << rule;
    EXPECT_FALSE(change.changes_nothing()) << rule;
  }
}

TEST_F(ConfigChangeTest, WithoutAConfigurationBeforeOnlyForeignSubnetsStandAgainstTheFirst) {
  lease("10.5.7.0-24", kVni1);
  lease("10.6.7.0-24", kOurs);
  const ConfigChange change = plan(std::nullopt, with_backend(kHostGw));
  EXPECT_EQ(objections_of(change), "10.6.7.0/24 outside");
  EXPECT_EQ(networks_of(change), "");
  EXPECT_FALSE(change.data_plane);
  EXPECT_FALSE(change.changes_nothing());
}

TEST_F(ConfigChangeTest, AHostThatIsCutOffIsListedWithItsAddress) {
  lease("10.5.7.0-24", kOurs);
  const ConfigChange change = plan(of_networks("10.5.0.0/16 -"), of_networks("10.6.0.0/16 -"));
  ASSERT_EQ(change.cut_off.size(), 1U);
  EXPECT_EQ(to_string(change.cut_off[0].host), "192.0.2.7");
  EXPECT_EQ(change.without_node_id, 0U);
}

}  // namespace
}  // namespace flannel::config_change_test
