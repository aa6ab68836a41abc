// SPDX-License-Identifier: Apache-2.0
// Which records LeaseKeeper takes for its own, by node id, boot, public IP and subnet file.
#include <gtest/gtest.h>

#include "support/keeper_host.h"

namespace flannel::lease_keeper_owner_test {
namespace {

using std::chrono::hours;

constexpr IpAddress kFirst = IpAddress::v4(192, 0, 2, 1);
constexpr IpAddress kSecond = IpAddress::v4(192, 0, 2, 2);

NodeTag tag(std::uint8_t id, std::uint32_t boot) {
  NodeTag made;
  made.boot = boot;
  made.id.bytes[15] = id;
  return made;
}

class LeaseOwnerTest : public ::testing::Test {
 protected:
  SimulatedStore store;
  std::optional<SubnetKey> previous;
  bool address_is_ours = false;  // for the next host()

  LeaseOwnerTest() { store.now = TimePoint(hours(1000)); }

  KeeperHost host(IpAddress ip, std::optional<NodeTag> node, bool renumber = false) {
    const auto config = parse_network_config(R"({"Network":"10.5.0.0/24","SubnetLen":27})")->config;
    return {
        store,
        LeaseKeeper(
            {.node = node, .address_is_ours = address_is_ours, .renumber = renumber}, config, ip,
            [ip](const Lease*) { return LeaseAttributes{.public_ip = ip, .backend_type = "udp"}; },
            previous, [](std::uint64_t) { return std::uint64_t{0}; })};
  }
  // Starts a host with this identity and returns its calls and reports.
  std::string start_host(IpAddress ip, std::optional<NodeTag> node) {
    KeeperHost us = host(ip, node);
    us.start();
    us.finish_calls();
    return us.take_log();
  }
  const std::string& stored() { return store.records.at("10.5.0.32-27").value; }
};

constexpr const char* kCreated = "list | create 10.5.0.32-27 | active 10.5.0.32/27@192.0.2.1";
constexpr const char* kAnother = "list | create 10.5.0.64-27 | active 10.5.0.64/27@192.0.2.";

TEST_F(LeaseOwnerTest, TheNodeIsInAMemberThatUpstreamIgnores) {
  EXPECT_EQ(start_host(kFirst, tag(10, 0xb00)), kCreated);
  EXPECT_EQ(stored(), R"({"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"udp",)"
                      R"("NodeID":"0000000000000000000000000000000a/00000b00"})");
}

TEST_F(LeaseOwnerTest, AHostThatWasRebootedFindsItsLease) {
  start_host(kFirst, tag(1, 1));
  EXPECT_EQ(start_host(kFirst, tag(1, 2)),
            "list | replace 10.5.0.32-27 | active 10.5.0.32/27@192.0.2.1");
}

TEST_F(LeaseOwnerTest, AHostWhoseAddressChangedFindsItsLease) {
  start_host(kFirst, tag(1, 1));
  EXPECT_EQ(start_host(kSecond, tag(1, 1)),
            "list | replace 10.5.0.32-27 | active 10.5.0.32/27@192.0.2.2");
}

TEST_F(LeaseOwnerTest, AHostThatLostItsNodeIdFindsItsLease) {
  start_host(kFirst, tag(1, 1));
  EXPECT_EQ(start_host(kFirst, tag(2, 1)),
            "list | replace 10.5.0.32-27 | active 10.5.0.32/27@192.0.2.1");
}

TEST_F(LeaseOwnerTest, ARecordWithoutANodeIsOursByItsAddress) {
  start_host(kFirst, std::nullopt);
  EXPECT_EQ(start_host(kFirst, tag(1, 1)),
            "list | replace 10.5.0.32-27 | active 10.5.0.32/27@192.0.2.1");
  EXPECT_EQ(start_host(kFirst, std::nullopt),
            "list | replace 10.5.0.32-27 | active 10.5.0.32/27@192.0.2.1")
      << "and for upstream, which has no node ids";
}

TEST_F(LeaseOwnerTest, ACopyOfAHostTakesNothingFromIt) {
  start_host(kFirst, tag(1, 1));
  const std::string before = stored();
  EXPECT_EQ(start_host(kSecond, tag(1, 2)), std::string(kAnother) + "2");
  EXPECT_EQ(stored(), before);
}

TEST_F(LeaseOwnerTest, AHostThatLostNodeIdAndBootFindsItsLeaseByItsSubnetFile) {
  start_host(kFirst, tag(1, 1));
  previous = SubnetKey::of(IpPrefix::parse_v4("10.5.0.32/27").value());
  EXPECT_EQ(start_host(kFirst, tag(2, 2)),
            "list | replace 10.5.0.32-27 | active 10.5.0.32/27@192.0.2.1");
}

TEST_F(LeaseOwnerTest, AHostThatLostAllButItsAddressTakesItsLeaseOver) {
  start_host(kFirst, tag(1, 1));
  address_is_ours = true;
  EXPECT_EQ(start_host(kFirst, tag(2, 2)),
            "list | takes over 10.5.0.32/27 | replace 10.5.0.32-27 | "
            "active 10.5.0.32/27@192.0.2.1");
}

TEST_F(LeaseOwnerTest, BehindARouterAnEqualAddressIsNoReasonToTakeOver) {
  start_host(kFirst, tag(1, 1));
  const std::string before = stored();
  EXPECT_EQ(start_host(kFirst, tag(2, 2)), std::string(kAnother) + "1");
  EXPECT_EQ(stored(), before);
}

// If two hosts have one address, the first keeps its subnet and the second takes another.
TEST_F(LeaseOwnerTest, AHostThatTookOverTheLeaseOfALiveHostGivesItBack) {
  KeeperHost first = host(kFirst, tag(1, 1));
  first.start();
  first.finish_calls();
  first.take_log();
  const std::string before = stored();
  address_is_ours = true;
  KeeperHost second = host(kFirst, tag(2, 2));
  second.start();
  second.finish_calls();
  first.finish_calls();
  EXPECT_EQ(first.take_log(), "replace 10.5.0.32-27") << "written again, and not reported as lost";
  EXPECT_EQ(stored(), before);
  second.take_log();
  second.finish_calls();
  EXPECT_EQ(
      second.take_log(),
      "lost: node 00000000000000000000000000000001/00000001 is alive and has written it again: "
      "two hosts have the address 192.0.2.1 | list | create 10.5.0.64-27 | "
      "active 10.5.0.64/27@192.0.2.1");
  first.finish_calls();
  EXPECT_EQ(first.take_log(), "");
  EXPECT_EQ(stored(), before);
}

TEST_F(LeaseOwnerTest, ALeaseTakenOverAMinuteAgoIsKept) {
  start_host(kFirst, tag(1, 1));
  address_is_ours = true;
  KeeperHost us = host(kFirst, tag(2, 2));
  us.start();
  us.finish_calls();
  us.take_log();
  store.pass(std::chrono::minutes(1));
  const LeaseAttributes late{.public_ip = kFirst, .backend_type = "udp", .node = tag(1, 1)};
  store.put("10.5.0.32-27", encode_lease_value(late), hours(24));
  us.finish_calls();
  EXPECT_EQ(us.take_log(), "replace 10.5.0.32-27");
}

TEST_F(LeaseOwnerTest, AValueOfAnotherNodeUnderOurAddressIsReplacedByOurs) {
  KeeperHost us = host(kFirst, tag(1, 1));
  us.start();
  us.finish_calls();
  us.take_log();
  const std::string before = stored();
  const LeaseAttributes theirs{.public_ip = kFirst, .backend_type = "udp", .node = tag(2, 2)};
  store.put("10.5.0.32-27", encode_lease_value(theirs), hours(24));
  us.finish_calls();
  EXPECT_EQ(us.take_log(), "replace 10.5.0.32-27");
  EXPECT_EQ(stored(), before);
  store.put("10.5.0.32-27", encode_lease_value(theirs), hours(24));
  us.finish_calls();
  EXPECT_EQ(us.take_log(),
            "error: another process keeps writing 10.5.0.32-27: is 192.0.2.1 the public IP of two "
            "hosts?")
      << "after a second write only after a pause";
}

TEST_F(LeaseOwnerTest, WithRenumberATakenSubnetIsExchanged) {
  KeeperHost us = host(kFirst, tag(1, 1), true);
  us.start();
  us.finish_calls();
  us.take_log();
  store.put("10.5.0.32-27", R"({"PublicIP":"192.0.2.9"})", hours(24));
  us.finish_calls();
  EXPECT_EQ(us.take_log(),
            "lost: taken by 192.0.2.9 | list | create 10.5.0.64-27 | "
            "active 10.5.0.64/27@192.0.2.1");
  EXPECT_EQ(to_string(us.keeper.lease()->subnet), "10.5.0.64/27");
}

TEST_F(LeaseOwnerTest, WithRenumberARemovedRecordIsStillCreatedAgain) {
  start_host(kSecond, tag(2, 2));
  KeeperHost us = host(kFirst, tag(1, 1), true);
  us.start();
  us.finish_calls();
  us.take_log();
  store.remove("10.5.0.32-27");  // a new host would choose this subnet
  store.remove("10.5.0.64-27");
  us.finish_calls();
  EXPECT_EQ(us.take_log(),
            "lost: its record was removed | list | create 10.5.0.64-27 | "
            "active 10.5.0.64/27@192.0.2.1");
}

}  // namespace
}  // namespace flannel::lease_keeper_owner_test
