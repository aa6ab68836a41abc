// SPDX-License-Identifier: Apache-2.0
// A keeper that leases one subnet and no other, in the store to which the cluster moves.
#include <gtest/gtest.h>

#include "core/move_notes.h"
#include "support/keeper_host.h"

namespace flannel::lease_keeper_only_test {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr const char* kKey = "10.5.9.0-24";
const SubnetKey kSubnet = decode_subnet_key(kKey).value();

NodeTag node(std::uint8_t number) {
  NodeTag tag;
  tag.id.bytes[0] = number;
  return tag;
}

std::string value_of(std::uint8_t number) {
  return encode_lease_value({.public_ip = IpAddress::v4(192, 0, 2, number), .node = node(number)});
}

class OnlySubnetTest : public ::testing::Test {
 protected:
  OnlySubnetTest() { store_.now = TimePoint(hours(1000)); }

  std::string start() {
    host_.start();
    host_.finish_calls();
    return host_.take_log();
  }
  static LeaseKeeper keeper() {
    const LeaseAttributes attributes{.public_ip = IpAddress::v4(192, 0, 2, 1)};
    KeeperOptions options{.ttl = seconds(3600), .renew_margin = seconds(60), .node = node(1)};
    options.only = kSubnet;
    return LeaseKeeper(
        options, parse_network_config(R"({"Network":"10.5.0.0/16"})")->config, attributes.public_ip,
        [attributes](const Lease*) { return attributes; }, std::nullopt,
        [](std::uint64_t) { return std::uint64_t{0}; });
  }

  SimulatedStore store_;
  KeeperHost host_{store_, keeper()};
};

TEST_F(OnlySubnetTest, ItIsCreatedAndNoLossIsReported) {
  EXPECT_EQ(start(), "list | create 10.5.9.0-24 | active 10.5.9.0/24@192.0.2.1");
}

TEST_F(OnlySubnetTest, TheCopyOfOurLeaseBecomesOurs) {
  store_.put(kKey, with_copy_mark(value_of(1), "3f"), seconds(3600));
  EXPECT_EQ(start(), "list | replace 10.5.9.0-24 | active 10.5.9.0/24@192.0.2.1");
  EXPECT_EQ(store_.records[kKey].value, value_of(1));
}

TEST_F(OnlySubnetTest, TheCopyOfAReservationStaysOne) {
  store_.put(kKey, with_copy_mark(value_of(1), "3f"), {});
  EXPECT_EQ(start(), "list | replace 10.5.9.0-24 for ever | active 10.5.9.0/24@192.0.2.1");
}

TEST_F(OnlySubnetTest, TheCopyOfAnotherHostsLeaseIsReplaced) {
  store_.put(kKey, with_copy_mark(value_of(2), "3f"), seconds(3600));
  EXPECT_EQ(start(), "list | replace 10.5.9.0-24 | active 10.5.9.0/24@192.0.2.1");
}

TEST_F(OnlySubnetTest, WhatAnotherHostHasTakenIsLeftAndNoOtherSubnetIsTaken) {
  store_.put(kKey, value_of(2), seconds(600));
  EXPECT_EQ(start(), "list | error: 192.0.2.2 has 10.5.9.0-24");
  EXPECT_EQ(store_.records.size(), 1U);
  store_.pass(seconds(601));
  host_.wait();
  host_.finish_calls();
  EXPECT_EQ(host_.take_log(), "list | create 10.5.9.0-24 | active 10.5.9.0/24@192.0.2.1");
}

TEST_F(OnlySubnetTest, OurOtherRecordsAreNotTakenInItsPlace) {
  store_.put("10.5.3.0-24", value_of(1), seconds(3600));
  EXPECT_EQ(start(), "list | create 10.5.9.0-24 | active 10.5.9.0/24@192.0.2.1");
}

}  // namespace
}  // namespace flannel::lease_keeper_only_test
