// SPDX-License-Identifier: Apache-2.0
// LeaseKeeper: whose a record is. Hosts have a node id and were booted once.
#include <gtest/gtest.h>

#include "support/keeper_host.h"

namespace flannel {
namespace {

using std::chrono::hours;

constexpr Ip4 kFirst = Ip4::of(192, 0, 2, 1);
constexpr Ip4 kSecond = Ip4::of(192, 0, 2, 2);

NodeTag tag(std::uint8_t id, std::uint32_t boot) {
  NodeTag made;
  made.boot = boot;
  made.id.bytes[15] = id;
  return made;
}

class LeaseOwnerTest : public ::testing::Test {
 protected:
  SimulatedStore store;
  std::optional<Cidr4> previous;
  bool address_is_ours = false;  // of hosts that are made from now on

  LeaseOwnerTest() { store.now = TimePoint(hours(1000)); }

  KeeperHost host(Ip4 ip, std::optional<NodeTag> node, bool renumber = false) {
    const auto config = parse_network_config(R"({"Network":"10.5.0.0/24","SubnetLen":27})")->config;
    return {
        store,
        LeaseKeeper(
            {.node = node, .address_is_ours = address_is_ours, .renumber = renumber}, config, ip,
            [ip](const Lease*) { return LeaseAttributes{.public_ip = ip, .backend_type = "udp"}; },
            previous, [](std::uint64_t) { return std::uint64_t{0}; })};
  }
  // What a host with this identity does when it is started now.
  std::string started(Ip4 ip, std::optional<NodeTag> node) {
    KeeperHost us = host(ip, node);
    us.start();
    us.settle();
    return us.said();
  }
  const std::string& stored() { return store.records.at("10.5.0.32-27").value; }
};

constexpr const char* kCreated = "list | create 10.5.0.32-27 | active 10.5.0.32/27@192.0.2.1";
constexpr const char* kAnother = "list | create 10.5.0.64-27 | active 10.5.0.64/27@192.0.2.";

TEST_F(LeaseOwnerTest, TheNodeIsInTheRecordWhereUpstreamDoesNotLook) {
  EXPECT_EQ(started(kFirst, tag(10, 0xb00)), kCreated);
  EXPECT_EQ(stored(), R"({"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"udp",)"
                      R"("NodeID":"0000000000000000000000000000000a/00000b00"})");
}

TEST_F(LeaseOwnerTest, AHostThatWasRebootedFindsItsLease) {
  started(kFirst, tag(1, 1));
  EXPECT_EQ(started(kFirst, tag(1, 2)),
            "list | replace 10.5.0.32-27 | active 10.5.0.32/27@192.0.2.1");
}

TEST_F(LeaseOwnerTest, AHostWhoseAddressChangedFindsItsLease) {
  started(kFirst, tag(1, 1));
  EXPECT_EQ(started(kSecond, tag(1, 1)),
            "list | replace 10.5.0.32-27 | active 10.5.0.32/27@192.0.2.2");
}

TEST_F(LeaseOwnerTest, AHostThatLostItsNodeIdFindsItsLease) {
  started(kFirst, tag(1, 1));
  EXPECT_EQ(started(kFirst, tag(2, 1)),
            "list | replace 10.5.0.32-27 | active 10.5.0.32/27@192.0.2.1");
}

TEST_F(LeaseOwnerTest, ARecordWithoutANodeIsOursByItsAddress) {
  started(kFirst, std::nullopt);
  EXPECT_EQ(started(kFirst, tag(1, 1)),
            "list | replace 10.5.0.32-27 | active 10.5.0.32/27@192.0.2.1");
  EXPECT_EQ(started(kFirst, std::nullopt),
            "list | replace 10.5.0.32-27 | active 10.5.0.32/27@192.0.2.1")
      << "and for upstream, which does not know of nodes";
}

TEST_F(LeaseOwnerTest, ACopyOfAHostTakesNothingFromIt) {
  started(kFirst, tag(1, 1));
  const std::string before = stored();
  EXPECT_EQ(started(kSecond, tag(1, 2)), std::string(kAnother) + "2");
  EXPECT_EQ(stored(), before);
}

TEST_F(LeaseOwnerTest, AHostThatLostNodeIdAndBootFindsItsLeaseByItsSubnetFile) {
  started(kFirst, tag(1, 1));
  previous = Cidr4::parse("10.5.0.32/27").value();
  EXPECT_EQ(started(kFirst, tag(2, 2)),
            "list | replace 10.5.0.32-27 | active 10.5.0.32/27@192.0.2.1");
}

TEST_F(LeaseOwnerTest, AHostThatLostAllButItsAddressTakesItsLeaseOver) {
  started(kFirst, tag(1, 1));
  address_is_ours = true;
  EXPECT_EQ(started(kFirst, tag(2, 2)),
            "list | takes over 10.5.0.32/27 | replace 10.5.0.32-27 | "
            "active 10.5.0.32/27@192.0.2.1");
}

TEST_F(LeaseOwnerTest, BehindARouterTheAddressMayBeThatOfMany) {
  started(kFirst, tag(1, 1));
  const std::string before = stored();
  EXPECT_EQ(started(kFirst, tag(2, 2)), std::string(kAnother) + "1");
  EXPECT_EQ(stored(), before);
}

// Two hosts with one address: the one that was there keeps its subnet, the other takes a new one.
TEST_F(LeaseOwnerTest, WhoTookOverTheLeaseOfAHostThatLivesGivesWay) {
  KeeperHost first = host(kFirst, tag(1, 1));
  first.start();
  first.settle();
  first.said();
  const std::string before = stored();
  address_is_ours = true;
  KeeperHost second = host(kFirst, tag(2, 2));
  second.start();
  second.settle();
  first.settle();
  EXPECT_EQ(first.said(), "replace 10.5.0.32-27") << "written back, and never lost";
  EXPECT_EQ(stored(), before);
  second.said();
  second.settle();
  EXPECT_EQ(second.said(),
            "lost: node 00000000000000000000000000000001/00000001 lives and has written it back: "
            "two hosts have the address 192.0.2.1 | list | create 10.5.0.64-27 | "
            "active 10.5.0.64/27@192.0.2.1");
  first.settle();
  EXPECT_EQ(first.said(), "");
  EXPECT_EQ(stored(), before);
}

TEST_F(LeaseOwnerTest, ALeaseThatWasTakenOverLongAgoIsAsOursAsAnyOther) {
  started(kFirst, tag(1, 1));
  address_is_ours = true;
  KeeperHost us = host(kFirst, tag(2, 2));
  us.start();
  us.settle();
  us.said();
  store.pass(std::chrono::minutes(1));
  const LeaseAttributes late{.public_ip = kFirst, .backend_type = "udp", .node = tag(1, 1)};
  store.put("10.5.0.32-27", encode_lease_value(late), hours(24));
  us.settle();
  EXPECT_EQ(us.said(), "replace 10.5.0.32-27");
}

TEST_F(LeaseOwnerTest, WhatAnotherNodeWritesIntoOurLeaseUnderOurAddressIsWrittenBack) {
  KeeperHost us = host(kFirst, tag(1, 1));
  us.start();
  us.settle();
  us.said();
  const std::string before = stored();
  const LeaseAttributes theirs{.public_ip = kFirst, .backend_type = "udp", .node = tag(2, 2)};
  store.put("10.5.0.32-27", encode_lease_value(theirs), hours(24));
  us.settle();
  EXPECT_EQ(us.said(), "replace 10.5.0.32-27");
  EXPECT_EQ(stored(), before);
  store.put("10.5.0.32-27", encode_lease_value(theirs), hours(24));
  us.settle();
  EXPECT_EQ(us.said(),
            "error: another process keeps writing 10.5.0.32-27: is 192.0.2.1 the public IP of two "
            "hosts?")
      << "and then with pauses";
}

TEST_F(LeaseOwnerTest, ATakenSubnetIsExchangedForAnotherIfThatWasAskedFor) {
  KeeperHost us = host(kFirst, tag(1, 1), true);
  us.start();
  us.settle();
  us.said();
  store.put("10.5.0.32-27", R"({"PublicIP":"192.0.2.9"})", hours(24));
  us.settle();
  EXPECT_EQ(us.said(),
            "lost: taken by 192.0.2.9 | list | create 10.5.0.64-27 | "
            "active 10.5.0.64/27@192.0.2.1");
  EXPECT_EQ(to_string(us.keeper.lease()->subnet), "10.5.0.64/27");
}

TEST_F(LeaseOwnerTest, ARecordThatIsGoneIsTakenAgainAlsoByWhoWouldTakeAnother) {
  started(kSecond, tag(2, 2));
  KeeperHost us = host(kFirst, tag(1, 1), true);
  us.start();
  us.settle();
  us.said();
  store.remove("10.5.0.32-27");  // a host that chose now would choose this one
  store.remove("10.5.0.64-27");
  us.settle();
  EXPECT_EQ(us.said(),
            "lost: its record was removed | list | create 10.5.0.64-27 | "
            "active 10.5.0.64/27@192.0.2.1");
}

}  // namespace
}  // namespace flannel
