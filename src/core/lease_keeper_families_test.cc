// SPDX-License-Identifier: Apache-2.0
// The lease keeper in networks of both families: conversions of the lease between them, crashes in
// between, and other hosts that take one of its subnets.
#include <gtest/gtest.h>

#include "support/keeper_host.h"

namespace flannel::lease_keeper_families_test {
namespace {

using std::chrono::hours;

constexpr const char* kV4 = R"({"Network":"10.5.0.0/24","SubnetLen":27})";
constexpr const char* kBoth =
    R"({"Network":"10.5.0.0/24","SubnetLen":27,"EnableIPv6":true,"IPv6Network":"fd00::/60"})";
constexpr const char* kV6 = R"({"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00::/60"})";
constexpr const char* kDual = "10.5.0.96-27&fd00:0:0:3::-64";
constexpr const char* kStranger = R"({"PublicIP":"192.0.2.9","PublicIPv6":"2001:db8::9"})";

class LeaseFamiliesTest : public ::testing::Test {
 protected:
  SimulatedStore store;
  LeaseAttributes announced{.public_ip = IpAddress::v4(192, 0, 2, 1),
                            .public_ip6 = IpAddress::parse_v6("2001:db8::1").value()};
  std::optional<SubnetKey> previous;

  LeaseFamiliesTest() { store.now = TimePoint(hours(1000)); }

  KeeperHost host(const char* config, KeeperOptions options = {}) {
    return {store, LeaseKeeper(
                       options, parse_network_config(config)->config, announced.public_ips(),
                       [mine = announced](const Lease*) { return mine; }, previous,
                       [](std::uint64_t) { return std::uint64_t{2}; })};
  }
  // Starts a daemon with this configuration and returns what it does.
  std::string run(const char* config) {
    KeeperHost us = host(config);
    us.start();
    us.finish_calls();
    EXPECT_TRUE(us.one_call_at_a_time);
    if (us.keeper.lease()) previous = us.keeper.lease()->subnet;
    return us.take_log();
  }
  std::string keys() const {
    std::string text;
    for (const auto& [key, record] : store.records)
      text += (text.empty() ? "" : " ") + key + (record.expires() ? "" : " for ever");
    return text;
  }
  std::string ours() const { return encode_lease_value(announced); }
};

TEST_F(LeaseFamiliesTest, ARecordOfTwoSubnetsIsListedBeforeItIsUsed) {
  EXPECT_EQ(run(kBoth), std::string("list | create ") + kDual + " | list | renew " + kDual +
                            " | active 10.5.0.96/27,fd00:0:0:3::/64@192.0.2.1");
  EXPECT_EQ(run(kBoth), std::string("list | renew ") + kDual +
                            " | active 10.5.0.96/27,fd00:0:0:3::/64@192.0.2.1");
}

TEST_F(LeaseFamiliesTest, IPv6AloneNeedsNoSecondList) {
  EXPECT_EQ(run(kV6), "list | create 0.0.0.0-0&fd00:0:0:3::-64 | active fd00:0:0:3::/64@192.0.2.1");
}

TEST_F(LeaseFamiliesTest, TheSubnetStaysOverAllChangesOfTheFamilies) {
  run(kV4);
  EXPECT_EQ(keys(), "10.5.0.96-27");
  EXPECT_EQ(run(kBoth), std::string("list | create ") + kDual +
                            " | list | release 10.5.0.96-27 | list | replace " + kDual +
                            " | active 10.5.0.96/27,fd00:0:0:3::/64@192.0.2.1");
  EXPECT_EQ(keys(), kDual);
  EXPECT_EQ(run(kV4), std::string("list | create 10.5.0.96-27 | list | release ") + kDual +
                          " | list | replace 10.5.0.96-27 | active 10.5.0.96/27@192.0.2.1");
  run(kBoth);
  EXPECT_EQ(keys(), kDual);
  run(kV6);
  EXPECT_EQ(keys(), "0.0.0.0-0&fd00:0:0:3::-64");
  run(kBoth);
  EXPECT_EQ(keys(), kDual);
}

TEST_F(LeaseFamiliesTest, AfterAnExchangeTheRecordIsWrittenOnceMoreAndThenRenewed) {
  run(kV4);
  KeeperHost us = host(kBoth);
  us.start();
  us.finish_calls();
  us.take_log();
  us.wait();
  us.finish_calls();
  EXPECT_EQ(us.take_log(), std::string("renew ") + kDual);
}

TEST_F(LeaseFamiliesTest, AReservationStaysAReservation) {
  store.put("10.5.0.64-27", ours(), std::nullopt);
  run(kBoth);
  EXPECT_EQ(keys(), "10.5.0.64-27&fd00:0:0:2::-64 for ever");
  run(kV4);
  EXPECT_EQ(keys(), "10.5.0.64-27 for ever");
}

// The daemon ends after each number of answers, and its call may have had its effect. At each
// moment a record of ours has the subnet, and the next daemon brings the change to its end.
TEST_F(LeaseFamiliesTest, ACrashAtAnyStepOfAConversionLosesNoSubnet) {
  for (const auto& [from, to, kept, end] :
       {std::tuple{kV4, kBoth, "10.5.0.96/27", kDual},
        {kBoth, kV4, "10.5.0.96/27", "10.5.0.96-27"},
        {kBoth, kV6, "fd00:0:0:3::/64", "0.0.0.0-0&fd00:0:0:3::-64"}}) {
    for (const bool reserved : {false, true}) {
      for (int steps = 0; steps < 14; ++steps) {
        store = {};
        store.now = TimePoint(hours(1000));
        previous.reset();
        run(from);
        if (reserved) store.put(store.records.begin()->first, ours(), std::nullopt);
        previous.reset();  // also without subnet.env
        const SubnetKey subnet = SubnetKey::of(IpPrefix::parse(kept).value());
        const auto is_held = [&] {
          return std::ranges::any_of(store.records, [&](const auto& entry) {
            return decode_subnet_key(entry.first)->shares_subnet_with(subnet);
          });
        };
        KeeperHost crashing = host(to);
        crashing.start();
        for (int step = 0; step < steps && (crashing.calls() || crashing.answered()); ++step) {
          if (crashing.calls()) {
            crashing.carry_out();
          } else {
            crashing.reply();
          }
          ASSERT_TRUE(is_held()) << steps;
        }
        run(to);
        EXPECT_EQ(keys(), std::string(end) + (reserved ? " for ever" : "")) << steps;
      }
    }
  }
}

TEST_F(LeaseFamiliesTest, AnIPv6SubnetThatAnotherHostTookFirstIsExchanged) {
  run(kV4);
  KeeperHost us = host(kBoth);
  us.start();
  us.carry_out();
  store.put("10.5.0.32-27&fd00:0:0:3::-64", kStranger, hours(24));
  us.finish_calls();
  EXPECT_EQ(us.take_log(),
            std::string("list | create ") + kDual +
                " | list | create 10.5.0.96-27&fd00:0:0:4::-64 | list | release 10.5.0.96-27 | "
                "list | release " +
                kDual +
                " | list | replace 10.5.0.96-27&fd00:0:0:4::-64 | "
                "active 10.5.0.96/27,fd00:0:0:4::/64@192.0.2.1");
  EXPECT_EQ(keys(), "10.5.0.32-27&fd00:0:0:3::-64 10.5.0.96-27&fd00:0:0:4::-64");
}

TEST_F(LeaseFamiliesTest, ARecordThatWaitsForOurSubnetStopsTheExchangeUntilItIsGone) {
  run(kV4);
  store.put("10.5.0.96-27&fd00:0:0:5::-64", kStranger, hours(24));
  EXPECT_EQ(run(kBoth),
            std::string("list | error: cannot exchange 10.5.0.96-27 for ") + kDual +
                ": 10.5.0.96-27&fd00:0:0:5::-64 of 192.0.2.9,2001:db8::9, which overlaps it, would "
                "become the older record; delete it if it is wrong");
  EXPECT_EQ(keys(), "10.5.0.96-27 10.5.0.96-27&fd00:0:0:5::-64");
  store.remove("10.5.0.96-27&fd00:0:0:5::-64");
  run(kBoth);
  EXPECT_EQ(keys(), kDual);
}

TEST_F(LeaseFamiliesTest, AYoungerRecordOnOurIPv6SubnetChangesNothing) {
  KeeperHost us = host(kBoth);
  us.start();
  us.answer();
  us.carry_out();
  store.put("10.5.0.32-27&fd00:0:0:3::-64", kStranger, hours(24));
  us.finish_calls();
  EXPECT_EQ(us.keeper.lease()->subnet, decode_subnet_key(kDual).value());
}

TEST_F(LeaseFamiliesTest, ARunningKeeperChangesItsFamiliesAndKeepsItsSubnets) {
  KeeperHost us = host(kV4);
  const auto reconfigure = [&us](const char* text) {
    us.take_log();
    us.reconfigure(parse_network_config(text)->config);
    us.finish_calls();
    return us.take_log();
  };
  us.start();
  us.finish_calls();
  EXPECT_EQ(reconfigure(kBoth), std::string("list | create ") + kDual +
                                    " | list | release 10.5.0.96-27 | list | replace " + kDual +
                                    " | active 10.5.0.96/27,fd00:0:0:3::/64@192.0.2.1");
  EXPECT_EQ(reconfigure(kV4), std::string("list | create 10.5.0.96-27 | list | release ") + kDual +
                                  " | list | replace 10.5.0.96-27 | active 10.5.0.96/27@192.0.2.1");
  EXPECT_EQ(keys(), "10.5.0.96-27");
}

TEST_F(LeaseFamiliesTest, ARunningKeeperNeverExchangesASubnetOutsideOfTheNetwork) {
  KeeperHost us = host(kV4);
  us.start();
  us.finish_calls();
  us.take_log();
  us.reconfigure(
      parse_network_config(
          R"({"Network":"10.9.0.0/24","SubnetLen":27,"EnableIPv6":true,"IPv6Network":"fd00::/60"})")
          ->config);
  us.finish_calls();
  EXPECT_EQ(us.take_log(),
            "list | error: change the families of the lease: our subnet 10.5.0.96/27 is outside of "
            "the network | renew 10.5.0.96-27");
  EXPECT_EQ(keys(), "10.5.0.96-27");
}

// In each half of each call of the exchange.
TEST_F(LeaseFamiliesTest, AFamilyThatComesBackDuringItsExchangeIsLeasedAgain) {
  const NetworkConfig both = parse_network_config(kBoth)->config;
  const NetworkConfig v4 = parse_network_config(kV4)->config;
  for (int steps = 0; steps < 8; ++steps) {
    store = {};
    store.now = TimePoint(std::chrono::hours(1000));
    KeeperHost us = host(kBoth);
    us.start();
    us.finish_calls();
    us.reconfigure(v4);
    for (int i = 0; i < steps; ++i) {
      if (us.calls()) {
        us.carry_out();
      } else if (us.answered()) {
        us.reply();
      }
    }
    us.reconfigure(both);
    us.finish_calls();
    if (us.keeper.next_wakeup() <= store.now) us.tick();
    us.finish_calls();
    EXPECT_EQ(keys(), kDual) << steps;
  }
}

TEST_F(LeaseFamiliesTest, ASubnetOfAnotherLengthGetsTheOtherFamily) {
  KeeperHost us = host(kV4);
  us.start();
  us.finish_calls();
  us.reconfigure(
      parse_network_config(
          R"({"Network":"10.5.0.0/24","SubnetLen":28,"EnableIPv6":true,"IPv6Network":"fd00::/60"})")
          ->config);
  us.finish_calls();
  EXPECT_TRUE(keys().starts_with("10.5.0.96-27&fd00:")) << keys();
}

// As of a host that has missed the configuration with both.
TEST_F(LeaseFamiliesTest, ARunningKeeperExchangesItsOnlyFamilyForTheOther) {
  KeeperHost us = host(kV4);
  us.start();
  us.finish_calls();
  us.take_log();
  us.reconfigure(parse_network_config(kV6)->config);
  us.finish_calls();
  EXPECT_EQ(us.take_log(),
            "list | release 10.5.0.96-27 | list | create 0.0.0.0-0&fd00:0:0:3::-64 | "
            "active fd00:0:0:3::/64@192.0.2.1");
}

TEST_F(LeaseFamiliesTest, ARunningKeeperDeletesNoRecordThatAnotherHostOutranks) {
  KeeperHost us = host(kV4);
  us.start();
  us.finish_calls();
  us.take_log();
  store.put("10.5.0.96-28", kStranger, hours(24));
  std::swap(store.records.at("10.5.0.96-28").created, store.records.at("10.5.0.96-27").created);
  us.reconfigure(parse_network_config(kBoth)->config);
  us.finish_calls();
  const std::string log = us.take_log();
  EXPECT_NE(log.find("an older lease of another host has our subnet 10.5.0.96/27"),
            std::string::npos)
      << log;
  EXPECT_EQ(keys(), "10.5.0.96-27 10.5.0.96-28");
}

TEST_F(LeaseFamiliesTest, TwoHostsThatConvertAtOnceGetDifferentSubnets) {
  run(kV4);
  const LeaseAttributes us = std::exchange(
      announced, LeaseAttributes{.public_ip = IpAddress::v4(192, 0, 2, 2),
                                 .public_ip6 = IpAddress::parse_v6("2001:db8::2").value()});
  previous.reset();
  run(kV4);
  EXPECT_EQ(keys(), "10.5.0.128-27 10.5.0.96-27");
  KeeperHost second = host(kBoth);
  announced = us;
  KeeperHost first = host(kBoth);
  first.start();
  second.start();
  first.carry_out();
  second.carry_out();
  first.finish_calls();
  second.finish_calls();
  EXPECT_FALSE(first.keeper.lease()->subnet.overlaps(second.keeper.lease()->subnet));
  EXPECT_EQ(keys(), std::string("10.5.0.128-27&fd00:0:0:4::-64 ") + kDual);
}

TEST_F(LeaseFamiliesTest, AStoreThatGoesBackToTheFormerRecordIsCorrected) {
  run(kV4);
  KeeperHost us = host(kBoth);
  us.start();
  us.finish_calls();
  us.take_log();
  store.remove(kDual);
  store.put("10.5.0.96-27", ours(), hours(24));
  us.finish_calls();
  EXPECT_EQ(us.take_log(), std::string("lost: its record was removed | list | create ") + kDual +
                               " | list | release 10.5.0.96-27 | list | replace " + kDual +
                               " | active 10.5.0.96/27,fd00:0:0:3::/64@192.0.2.1");
}

// The restored record is ours by its address and subnet. If it stayed, all hosts would use it in
// place of ours, which is younger.
TEST_F(LeaseFamiliesTest, AFormerRecordOfANodeIdThatIsLostGoesAsWell) {
  KeeperHost us = host(kV4, {.node = decode_node_tag(std::string(32, 'b') + "/00000002").value()});
  us.start();
  us.finish_calls();
  LeaseAttributes before = announced;
  before.node = decode_node_tag(std::string(32, 'a') + "/00000001").value();
  store.remove("10.5.0.96-27");
  store.put(kDual, encode_lease_value(before), std::nullopt);
  us.finish_calls();
  EXPECT_EQ(keys(), "10.5.0.96-27 for ever");
}

// An operator may write it again, under its own key, though another host has the subnet.
TEST_F(LeaseFamiliesTest, ALostLeaseThatAnOlderRecordOutranksIsNotTakenAgain) {
  KeeperHost us = host(kV4);
  us.start();
  us.finish_calls();
  store.remove("10.5.0.96-27");
  store.put(kDual, kStranger, hours(24));
  us.finish_calls();
  us.take_log();
  store.put("10.5.0.96-27", ours(), hours(24));
  us.wait();
  us.finish_calls();
  EXPECT_EQ(us.take_log(), std::string("list | error: cannot take 10.5.0.96/27 again: "
                                       "192.0.2.9,2001:db8::9 has ") +
                               kDual);
  store.remove(kDual);
  us.wait();
  us.finish_calls();
  EXPECT_EQ(us.take_log(), "list | renew 10.5.0.96-27 | active 10.5.0.96/27@192.0.2.1");
}

TEST_F(LeaseFamiliesTest, AnotherHostOnOneOfOurSubnetsIsReported) {
  KeeperHost us = host(kBoth);
  us.start();
  us.finish_calls();
  us.take_log();
  store.put("0.0.0.0-0&fd00:0:0:2::-63", kStranger, hours(24));
  store.remove(kDual);
  us.finish_calls();
  EXPECT_EQ(us.take_log(),
            "lost: its record was removed | list | error: cannot take "
            "10.5.0.96/27,fd00:0:0:3::/64 again: 192.0.2.9,2001:db8::9 has "
            "0.0.0.0-0&fd00:0:0:2::-63");
  KeeperHost elsewhere = host(kBoth, {.only = decode_subnet_key(kDual).value()});
  store.remove("0.0.0.0-0&fd00:0:0:2::-63");
  elsewhere.start();
  elsewhere.finish_calls();
  EXPECT_EQ(keys(), kDual);
}

}  // namespace
}  // namespace flannel::lease_keeper_families_test
