// SPDX-License-Identifier: Apache-2.0
// The choice of subnets in networks of both families and of IPv6 alone.
#include <gtest/gtest.h>

#include <set>

#include "core/subnet_picking.h"

namespace flannel::subnet_picking_families_test {
namespace {

NetworkConfig config(const std::string& text) {
  return parse_network_config(text).value().config;
}

std::string node_id(char digit) {
  return std::string(32, digit) + "/00000001";
}

// A lease of the host with this number; `created`: also its revision.
Record lease(const std::string& key, int host, Revision created = 1) {
  return {key,
          "{\"PublicIP\":\"192.0.2." + std::to_string(host) +
              "\",\"PublicIPv6\":\"2001:db8::" + std::to_string(host) + "\"}",
          created, "lease", created};
}
Record reservation(const std::string& key, int host, Revision created = 1) {
  Record made = lease(key, host, created);
  made.expiry_handle.clear();
  return made;
}

class SubnetPickingFamiliesTest : public ::testing::Test {
 protected:
  const NetworkConfig v4 = config(R"({"Network":"10.5.0.0/16"})");
  const NetworkConfig v6 =
      config(R"({"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00::/48"})");
  const NetworkConfig both =
      config(R"({"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00::/48"})");
  PublicIps us{IpAddress::v4(192, 0, 2, 1), IpAddress::parse_v6("2001:db8::1").value()};
  std::vector<IpAddress> keep_clear_of;

  // "create KEY [for FORMER] [for ever]", "reuse KEY", "discard KEY", "take over KEY" or the error.
  std::string chosen(const NetworkConfig& net, const std::vector<Record>& records,
                     const char* previous = nullptr, std::uint64_t draw = 0) {
    std::optional<SubnetKey> before;
    if (previous != nullptr) before = decode_subnet_key(previous).value();
    const HostIdentity host(us, decode_node_tag(node_id('a')).value(), before);
    const auto random = [draw](std::uint64_t bound) { return std::min(draw, bound - 1); };
    const auto choice =
        choose_subnet(net, decode_records(records), {host, true}, random, keep_clear_of);
    if (!choice) return choice.error().text;
    if (const auto* one = std::get_if<Reuse>(&*choice)) return "reuse " + one->own.record.key;
    if (const auto* one = std::get_if<Discard>(&*choice)) return "discard " + one->own.record.key;
    if (const auto* one = std::get_if<TakeOver>(&*choice))
      return "take over " + one->theirs.record.key;
    const auto& [subnet, former] = std::get<Create>(*choice);
    if (!former) return "create " + encode_subnet_key(subnet);
    return "create " + encode_subnet_key(subnet) + " for " + former->record.key +
           (former->record.expires() ? "" : " for ever");
  }
};

TEST_F(SubnetPickingFamiliesTest, EachEnabledFamilyGetsASubnet) {
  EXPECT_EQ(chosen(v4, {}), "create 10.5.1.0-24");
  EXPECT_EQ(chosen(v6, {}), "create 0.0.0.0-0&fd00:0:0:1::-64");
  EXPECT_EQ(chosen(both, {}), "create 10.5.1.0-24&fd00:0:0:1::-64");
  EXPECT_EQ(chosen(v6, {}, nullptr, 65534), "create 0.0.0.0-0&fd00:0:0:ffff::-64");
}

TEST_F(SubnetPickingFamiliesTest, TheIPv6SubnetHasTheNumberOfTheIPv4OneIfItCan) {
  EXPECT_EQ(chosen(both, {}, nullptr, 99), "create 10.5.100.0-24&fd00:0:0:64::-64");
  EXPECT_EQ(chosen(both, {lease("0.0.0.0-0&fd00:0:0:64::-64", 2)}, nullptr, 99),
            "create 10.5.100.0-24&fd00:0:0:65::-64")
      << "the 100th of those that are free";
  const NetworkConfig few =
      config(R"({"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00::/61"})");
  EXPECT_EQ(chosen(few, {}, nullptr, 99), "create 10.5.100.0-24&fd00:0:0:7::-64");
}

TEST_F(SubnetPickingFamiliesTest, TakenInOneFamilyIsTaken) {
  EXPECT_EQ(chosen(both, {lease("10.5.0.0-17&fd00:0:0:80::-64", 2)}),
            "create 10.5.128.0-24&fd00:0:0:1::-64");
  EXPECT_EQ(chosen(both, {{"10.5.1.0-24&fd00:0:0:2::-64", "garbage", 1, ""}}),
            "create 10.5.2.0-24&fd00:0:0:1::-64");
  EXPECT_EQ(chosen(v4, {lease("10.5.1.0-24&fd00:0:0:1::-64", 2)}), "create 10.5.2.0-24");
  EXPECT_EQ(chosen(v6, {lease("10.5.1.0-24&fd00:0:0:1::-64", 2)}),
            "create 0.0.0.0-0&fd00:0:0:2::-64");
  const NetworkConfig few =
      config(R"({"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00::/124"})");
  EXPECT_EQ(chosen(few, {lease("0.0.0.0-0&fd00::-125", 2), lease("0.0.0.0-0&fd00::8-125", 3)}),
            "out of subnets: all 3 of /126 from fd00::4 to fd00::c are taken");
}

TEST_F(SubnetPickingFamiliesTest, ANetworkWithMoreSubnetsThan64BitsCountIsDrawnFrom) {
  const NetworkConfig huge = config(
      R"({"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00::/8","IPv6SubnetLen":126})");
  EXPECT_EQ(chosen(huge, {}), "create 0.0.0.0-0&fd00::4-126");
  EXPECT_EQ(chosen(huge, {}, nullptr, UINT64_MAX),
            "create 0.0.0.0-0&fd00::3:ffff:ffff:ffff:fffc-126");
  EXPECT_EQ(chosen(huge, {lease("0.0.0.0-0&fd00::-64", 2)}, nullptr, 0),
            "create 0.0.0.0-0&fd00:0:0:1::-126");
  EXPECT_EQ(chosen(huge, {}, "0.0.0.0-0&fdff:ffff::-126"), "create 0.0.0.0-0&fdff:ffff::-126");
  EXPECT_EQ(chosen(huge, {lease("0.0.0.0-0&fd00::-9", 2)}).substr(0, 14), "out of subnets");
}

TEST_F(SubnetPickingFamiliesTest, ASubnetAroundAnAddressOfTheUnderlayIsNotLeased) {
  us.v6 = IpAddress::parse_v6("fd00:0:0:1::1").value();
  keep_clear_of = {IpAddress::parse_v6("fd00:0:0:2::1").value(), IpAddress::v4(10, 5, 1, 1)};
  const Record peer{"10.5.9.0-24", R"({"PublicIP":"10.5.2.9","PublicIPv6":"fd00:0:0:3::9"})", 1,
                    "x"};
  EXPECT_EQ(chosen(both, {peer}), "create 10.5.3.0-24&fd00:0:0:4::-64");
  EXPECT_EQ(chosen(v6, {peer}, "0.0.0.0-0&fd00:0:0:3::-64"), "create 0.0.0.0-0&fd00:0:0:4::-64");
}

TEST_F(SubnetPickingFamiliesTest, ThePreviousSubnetOfEachFamilyIsPreferred) {
  const char* before = "10.5.30.0-24&fd00:0:0:3::-64";
  EXPECT_EQ(chosen(both, {}, before), "create 10.5.30.0-24&fd00:0:0:3::-64");
  EXPECT_EQ(chosen(v4, {}, before), "create 10.5.30.0-24");
  EXPECT_EQ(chosen(v6, {}, before), "create 0.0.0.0-0&fd00:0:0:3::-64");
  EXPECT_EQ(chosen(both, {}, "10.5.30.0-24"), "create 10.5.30.0-24&fd00:0:0:1e::-64");
  EXPECT_EQ(chosen(both, {}, "0.0.0.0-0&fd00:0:0:3::-64"), "create 10.5.1.0-24&fd00:0:0:3::-64");
  EXPECT_EQ(chosen(both, {lease("10.5.30.0-24", 2)}, before), "create 10.5.1.0-24&fd00:0:0:3::-64");
  EXPECT_EQ(chosen(both, {lease("0.0.0.0-0&fd00:0:0:3::-64", 2)}, before),
            "create 10.5.30.0-24&fd00:0:0:1e::-64");
}

TEST_F(SubnetPickingFamiliesTest, AHostKeepsItsSubnetWhenAFamilyComesOrGoes) {
  const char* dual = "10.5.9.0-24&fd00:0:0:7::-64";
  EXPECT_EQ(chosen(both, {lease("10.5.9.0-24", 1)}),
            "create 10.5.9.0-24&fd00:0:0:9::-64 for 10.5.9.0-24");
  EXPECT_EQ(chosen(both, {lease("10.5.9.0-24", 1)}, "10.5.9.0-24"),
            "create 10.5.9.0-24&fd00:0:0:9::-64 for 10.5.9.0-24");
  EXPECT_EQ(chosen(both, {lease("10.5.9.0-24", 1)}, dual),
            std::string("create ") + dual + " for 10.5.9.0-24")
      << "IPv6 was disabled for a time";
  EXPECT_EQ(chosen(v4, {lease(dual, 1)}), std::string("create 10.5.9.0-24 for ") + dual);
  EXPECT_EQ(chosen(v6, {lease(dual, 1)}),
            std::string("create 0.0.0.0-0&fd00:0:0:7::-64 for ") + dual);
  EXPECT_EQ(chosen(both, {lease("0.0.0.0-0&fd00:0:0:7::-64", 1)}),
            "create 10.5.1.0-24&fd00:0:0:7::-64 for 0.0.0.0-0&fd00:0:0:7::-64");
  EXPECT_EQ(chosen(both, {lease("10.6.9.0-24&fd00:0:0:7::-64", 1)}),
            "create 10.5.1.0-24&fd00:0:0:7::-64 for 10.6.9.0-24&fd00:0:0:7::-64")
      << "another Network";
  EXPECT_EQ(chosen(v6, {lease("10.5.9.0-24", 1)}), "discard 10.5.9.0-24") << "nothing to keep";
  EXPECT_EQ(chosen(both, {reservation("10.5.9.0-24", 1)}),
            "create 10.5.9.0-24&fd00:0:0:9::-64 for 10.5.9.0-24 for ever");
  EXPECT_EQ(chosen(both, {lease(dual, 1)}), std::string("reuse ") + dual);
  EXPECT_EQ(chosen(both, {lease(dual, 1)}, dual), std::string("reuse ") + dual);
}

// What a crash between two steps leaves leads on to the same end.
TEST_F(SubnetPickingFamiliesTest, TheFormerRecordGoesWhenTheNewOneIsThere) {
  const char* dual = "10.5.9.0-24&fd00:0:0:9::-64";
  const Record former = lease("10.5.9.0-24", 1, 3), now = lease(dual, 1, 5);
  EXPECT_EQ(chosen(both, {former, now}), "discard 10.5.9.0-24");
  EXPECT_EQ(chosen(both, {former, now}, "10.5.9.0-24"), "discard 10.5.9.0-24");
  EXPECT_EQ(chosen(both, {now}, "10.5.9.0-24"), std::string("reuse ") + dual);
  EXPECT_EQ(chosen(v4, {former, now}), std::string("discard ") + dual) << "changed back meanwhile";
  EXPECT_EQ(chosen(both, {reservation("10.5.9.0-24", 1), now}), std::string("reuse ") + dual)
      << "an operator's, who may still need it";
  EXPECT_EQ(chosen(both, {reservation("10.5.9.0-24", 1), reservation(dual, 1, 2)}),
            "discard 10.5.9.0-24");
  EXPECT_EQ(chosen(both, {lease("10.5.9.0-25", 1), now}), std::string("reuse ") + dual)
      << "no record in whose place the other could be";
}

TEST_F(SubnetPickingFamiliesTest, AnOlderRecordOfAnotherHostOnOneSubnetMakesThatSubnetAnother) {
  const Record ours = lease("10.5.9.0-24&fd00:0:0:9::-64", 1, 7);
  const char* before = "10.5.9.0-24";
  const Record older = lease("10.5.8.0-24&fd00:0:0:9::-64", 2, 6);
  EXPECT_EQ(chosen(both, {ours, older}, before),
            "create 10.5.9.0-24&fd00:0:0:1::-64 for 10.5.9.0-24&fd00:0:0:9::-64");
  EXPECT_EQ(chosen(both, {ours, lease("10.5.8.0-24&fd00:0:0:9::-64", 2, 8)}, before),
            "reuse 10.5.9.0-24&fd00:0:0:9::-64")
      << "younger: that host makes way";
  EXPECT_EQ(chosen(both, {reservation(ours.key, 1, 7), older}),
            "create 10.5.9.0-24&fd00:0:0:1::-64 for 10.5.9.0-24&fd00:0:0:9::-64 for ever")
      << "all other hosts use the older one, whatever is reserved";
  EXPECT_EQ(chosen(both, {ours, older, lease("10.5.9.0-25", 3, 5)}), "discard " + ours.key);
  EXPECT_EQ(chosen(both, {ours, older, lease("10.5.9.0-24&fd00:0:0:1::-64", 1, 9)}, before),
            "discard " + ours.key)
      << "the one in its place is there";
  EXPECT_EQ(chosen(both, {ours, lease("0.0.0.0-0&fc00::-6", 2, 1)}), "reuse " + ours.key)
      << "outside of the network";
}

// Both hosts have held it, the one after the other, and the store has forgotten both leases.
TEST_F(SubnetPickingFamiliesTest, OfTwoHostsWhoseFilesNameOneSubnetTheOlderLeaseKeepsIt) {
  const char* file = "10.5.9.0-24&fd00:0:0:9::-64";
  const auto other = [](int number, Revision created) {
    return lease("10.5." + std::to_string(number) + ".0-24&fd00:0:0:9::-64", 2, created);
  };
  const Record ours = lease(file, 1, 7);
  const std::string exchanged =
      "create 10.5.9.0-24&fd00:0:0:1::-64 for 10.5.9.0-24&fd00:0:0:9::-64";
  EXPECT_EQ(chosen(both, {other(8, 6), ours}, file), exchanged);
  EXPECT_EQ(chosen(both, {other(8, 8), ours}, file), "reuse " + ours.key);
  EXPECT_EQ(chosen(both, {other(8, 7), ours}, file), exchanged) << "the smaller key is the older";
  EXPECT_EQ(chosen(both, {other(10, 7), ours}, file), exchanged) << "compared as a text";
  EXPECT_EQ(chosen(both, {ours, other(91, 7)}, file), "reuse " + ours.key);
  EXPECT_EQ(chosen(both, {lease("10.5.9.0-25", 2, 6), ours}, file),
            "create 10.5.1.0-24&fd00:0:0:9::-64 for 10.5.9.0-24&fd00:0:0:9::-64");
  EXPECT_EQ(chosen(v4, {lease("10.5.9.0-25", 2, 6), lease("10.5.9.0-24", 1, 7)}, file),
            "discard 10.5.9.0-24");
}

TEST_F(SubnetPickingFamiliesTest, ARecordThatNoHostUsesOutranksNone) {
  const Record ours = lease("10.5.9.0-24&fd00:0:0:9::-64", 1, 7);
  for (const char* value : {R"({"PublicIP":"127.0.0.1"})", R"({"PublicIP":"224.0.0.1"})",
                            R"({"PublicIP":"0.0.0.0","PublicIPv6":"::1"})"}) {
    const Record older{"10.5.8.0-24&fd00:0:0:9::-64", value, 6, "x", 6};
    EXPECT_EQ(chosen(both, {older, ours}), "reuse " + ours.key) << value;
  }
}

TEST_F(SubnetPickingFamiliesTest, TheSurestRecordIsExchangedThoughAnotherFits) {
  const Record bare = lease("10.5.2.0-24&fd00:0:0:2::-64", 1, 5);
  Record ours = lease("10.5.9.0-24", 1, 3);
  EXPECT_EQ(chosen(both, {bare, ours}), "reuse " + bare.key);
  ours.value.insert(1, R"("NodeID":")" + node_id('a') + "\",");
  EXPECT_EQ(chosen(both, {bare, ours}), "create 10.5.9.0-24&fd00:0:0:9::-64 for 10.5.9.0-24");
}

TEST_F(SubnetPickingFamiliesTest, ARecordBehindAnOlderOneIsNotTakenOver) {
  Record ours = lease("10.5.2.0-24&fd00:0:0:2::-64", 1, 5);
  ours.value.insert(1, R"("NodeID":")" + std::string(32, 'b') + R"(/00000002",)");
  EXPECT_EQ(chosen(both, {ours, lease("10.5.3.0-24&fd00:0:0:2::-64", 2, 6)}),
            "take over " + ours.key);
  EXPECT_EQ(chosen(both, {ours, lease("10.5.3.0-24&fd00:0:0:2::-64", 2, 4)}),
            "create 10.5.1.0-24&fd00:0:0:1::-64");
}

TEST_F(SubnetPickingFamiliesTest, NoRecordIsTakenOverWhileAPreviousSubnetIsFree) {
  Record theirs = lease("10.5.2.0-24&fd00:0:0:2::-64", 1);
  theirs.value.insert(1, R"("NodeID":")" + std::string(32, 'b') + R"(/00000002",)");
  const Record on_v4 = lease("10.5.9.0-24", 2), on_v6 = lease("0.0.0.0-0&fd00:0:0:9::-64", 3);
  const char* before = "10.5.9.0-24&fd00:0:0:9::-64";
  EXPECT_EQ(chosen(both, {theirs}, before), std::string("create ") + before);
  EXPECT_EQ(chosen(both, {on_v6, theirs}, before), "create 10.5.9.0-24&fd00:0:0:1::-64");
  EXPECT_EQ(chosen(both, {on_v4, theirs}, before), "create 10.5.1.0-24&fd00:0:0:9::-64");
  EXPECT_EQ(chosen(both, {on_v6, on_v4, theirs}, before), "take over " + theirs.key);
}

// Such a record would have to be exchanged, and that of another node is none to exchange.
TEST_F(SubnetPickingFamiliesTest, ARecordOfOtherFamiliesIsNotTakenOver) {
  Record ours = lease("10.5.2.0-24&fd00:0:0:2::-64", 1);
  ours.value.insert(1, R"("NodeID":")" + std::string(32, 'b') + R"(/00000002",)");
  EXPECT_EQ(chosen(both, {ours}), "take over " + ours.key);
  EXPECT_EQ(chosen(v4, {ours}), "create 10.5.1.0-24");
  EXPECT_EQ(chosen(v6, {ours}), "create 0.0.0.0-0&fd00:0:0:1::-64");
  ours.key = "10.5.2.0-24";
  EXPECT_EQ(chosen(both, {ours}), "create 10.5.1.0-24&fd00:0:0:1::-64");
}

// The operator decided on the IPv4 subnet alone.
TEST_F(SubnetPickingFamiliesTest, AnExchangedReservationHasNoIPv6SubnetOfAnOlderRecord) {
  const Record former = reservation("10.5.9.0-24", 1, 3);
  const Record ours = reservation("10.5.9.0-24&fd00:0:0:9::-64", 1, 7);
  EXPECT_EQ(chosen(both, {former, ours, lease("10.5.8.0-24&fd00:0:0:9::-64", 2, 6)}),
            "create 10.5.9.0-24&fd00:0:0:1::-64 for 10.5.9.0-24 for ever");
  EXPECT_EQ(chosen(both, {former, ours, lease("10.5.8.0-24&fd00:0:0:9::-64", 2, 8)}),
            "discard 10.5.9.0-24");
}

// All hosts would believe that record as soon as the former one of ours is gone.
TEST_F(SubnetPickingFamiliesTest, NoRecordOfAnotherHostBecomesTheOlderOneByAnExchange) {
  const char* dual = "10.5.9.0-24&fd00:0:0:9::-64";
  const Record former = lease("10.5.9.0-24", 1, 3);
  const auto other = [](const char* key, Revision created) { return lease(key, 2, created); };
  EXPECT_EQ(chosen(both, {former, other("10.5.9.0-24&fd00:0:0:7::-64", 4)}),
            "cannot exchange 10.5.9.0-24 for 10.5.9.0-24&fd00:0:0:9::-64: "
            "10.5.9.0-24&fd00:0:0:7::-64 of 192.0.2.2,2001:db8::2, which overlaps it, would become "
            "the older record; delete it if it is wrong");
  EXPECT_EQ(chosen(v4, {lease(dual, 1, 3), other("10.5.9.0-25", 4)}).substr(0, 15),
            "cannot exchange");
  EXPECT_EQ(chosen(v6, {lease(dual, 1, 3), other("0.0.0.0-0&fd00:0:0:8::-63", 4)}).substr(0, 15),
            "cannot exchange");
  EXPECT_EQ(chosen(v4, {lease(dual, 1, 3), other("10.5.8.0-24&fd00:0:0:9::-64", 4)}),
            std::string("create 10.5.9.0-24 for ") + dual)
      << "it overlaps what is given up";
  const Record ours = lease(dual, 1, 5);
  EXPECT_EQ(chosen(both, {former, ours, other("10.5.9.0-24&fd00:0:0:7::-64", 4)}, "10.5.9.0-24")
                .substr(0, 15),
            "cannot exchange");
  EXPECT_EQ(chosen(both, {former, ours, other("10.5.9.0-24&fd00:0:0:7::-64", 6)}, "10.5.9.0-24"),
            "discard 10.5.9.0-24");
}

TEST_F(SubnetPickingFamiliesTest, AHostIsKnownByIPv6WhereThereIsNoIPv4) {
  us = PublicIps(IpAddress::parse_v6("2001:db8::1").value());
  const auto of = [](const char* key, const char* ip6, char node) {
    return Record{key,
                  std::string(R"({"PublicIP":"0.0.0.0","PublicIPv6":")") + ip6 + R"(","NodeID":")" +
                      node_id(node) + "\"}",
                  1, "lease", 1};
  };
  const char* key = "0.0.0.0-0&fd00:0:0:7::-64";
  EXPECT_EQ(chosen(v6, {{key, R"({"PublicIP":"0.0.0.0","PublicIPv6":"2001:db8::1"})", 1, "x"}}),
            std::string("reuse ") + key);
  EXPECT_EQ(chosen(v6, {of(key, "2001:db8::2", 'b')}), "create 0.0.0.0-0&fd00:0:0:1::-64");
  EXPECT_EQ(chosen(v6, {of(key, "2001:db8::2", 'a')}), std::string("reuse ") + key) << "our node";
  EXPECT_EQ(chosen(v6, {{key,
                         R"({"PublicIP":"0.0.0.0","PublicIPv6":"2001:db8::1","NodeID":")" +
                             std::string(32, 'b') + R"(/00000002"})",
                         1, "x"}}),
            std::string("take over ") + key);
}

TEST_F(SubnetPickingFamiliesTest, AReservationOfWhichASubnetIsKeptHasAnEffect) {
  const auto without = [&](const NetworkConfig& net, const char* key) {
    return reservations_without_effect(net, decode_records(std::vector{reservation(key, 1)}), us)
        .size();
  };
  EXPECT_EQ(without(both, "10.5.9.0-24"), 0U);
  EXPECT_EQ(without(v4, "10.5.9.0-24&fd00:0:0:9::-64"), 0U);
  EXPECT_EQ(without(v6, "10.5.9.0-24"), 1U);
  EXPECT_EQ(without(both, "10.5.9.0-25&fd00:0:0:9::-65"), 1U);
}

}  // namespace
}  // namespace flannel::subnet_picking_families_test
