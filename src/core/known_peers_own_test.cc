// SPDX-License-Identifier: Apache-2.0
// What a record with our address does to a peer whose lease is missing.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/known_peers.h"

namespace flannel::known_peers_own_test {
namespace {

constexpr IpAddress kUs = IpAddress::v4(192, 0, 2, 1);
const std::string kPeer = "10.5.2.0-24";

NodeTag tag(char digit) {
  return {decode_node_id(std::string(32, digit)).value(), 1};
}

std::string value(const char* address, std::optional<NodeTag> node) {
  return encode_lease_value({.public_ip = IpAddress::parse(address).value(), .node = node});
}

class OwnRecordTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Snapshot all;
    all.config = ConfigRecord{"{}", 1};
    all.records = {{"10.5.1.0-24", value("192.0.2.1", tag('a')), 2, "lease"},
                   {kPeer, value("192.0.2.2", tag('b')), 3, "lease"},
                   {"10.5.3.0-24", value("192.0.2.3", tag('c')), 4, "lease"}};
    peers.on_snapshot(now, all);
    peers.on_changes(now, {RecordGone{kPeer, 5}});
  }
  // True if the peer stays when this record takes its subnet.
  bool stays_beside(const std::string& lease) {
    peers.on_changes(now, {RecordPut{{kPeer, lease, 6, "lease"}}});
    const auto leases = peers.leases();
    const auto peer = leases.find(SubnetKey::of(IpPrefix::parse("10.5.2.0/24").value()));
    return peer != leases.end() &&
           peer->second.lease->attributes.public_ip == IpAddress::v4(192, 0, 2, 2);
  }

  TimePoint now{std::chrono::hours(1)};
  KnownPeers peers{
      LeaseTable({IpPrefix::parse("10.5.0.0/16").value()}, HostIdentity(kUs, tag('a'))),
      HostIdentity(kUs, tag('a')), [](std::uint64_t) { return std::uint64_t{0}; }};
};

TEST_F(OwnRecordTest, ARecordWithOurNodeIdTakesTheSubnetAtOnce) {
  EXPECT_FALSE(stays_beside(value("192.0.2.1", tag('a'))));
}

TEST_F(OwnRecordTest, ARecordWithOurAddressAloneDoesNot) {
  EXPECT_TRUE(stays_beside(value("192.0.2.1", std::nullopt)));
  now += KnownPeers::kGracePeriod;
  peers.tick(now);
  EXPECT_EQ(peers.suspected(), 0U);
  EXPECT_EQ(peers.next_wakeup(), kNever) << "after the grace period the peer has left";
}

}  // namespace
}  // namespace flannel::known_peers_own_test
