// SPDX-License-Identifier: Apache-2.0
// The agent on a host whose node id or VTEP MAC another host has too.
#include <gtest/gtest.h>

#include "backend/vxlan.h"
#include "base/file.h"
#include "support/agent_fixture.h"

namespace flannel::agent_identity_test {
namespace {

using std::chrono::seconds;

class AgentIdentityTest : public AgentTest {
 protected:
  static NodeId our_id() {
    NodeId id;
    id.bytes[0] = 7;
    return id;
  }
  static std::string vxlan(const std::string& ip, const Mac& mac,
                           std::optional<NodeTag> node = std::nullopt) {
    return encode_lease_value({.public_ip = IpAddress::parse_v4(ip).value(),
                               .backend_type = "vxlan",
                               .backend_data = encode_vxlan_data({1, mac}),
                               .node = node});
  }
  LeaseAttributes own_record() {
    const std::string key = own_key();
    for (const auto& [subnet, listed] : agent_->network()->table().leases()) {
      if (encode_subnet_key(subnet) == key) return listed.lease->attributes;
    }
    return {};
  }
  Mac announced() { return decode_vxlan_data(own_record().backend_data).value().vtep_mac; }
  Mac of_device() {
    const NetState state = kernel_.read(agent_->network()->overlay().scope()).value();
    return std::get<VxlanSettings>(state.links.at(0).kind).mac;
  }
  std::string all_problems() {
    std::string all;
    for (const std::string& one : problems())
      all += one + "\n";
    return all;
  }
};

constexpr const char* kNeighbour = "10.5.99.0-24";

TEST_F(AgentIdentityTest, ACopyOfAHostStartsWithANodeIdAndAMacOfItsOwn) {
  put(kNeighbour, vxlan("192.0.2.9", vtep_mac(our_id(), 1), NodeTag{our_id(), 9}));
  configure(kVxlan);
  EXPECT_EQ(fresh_ids_, 1);
  EXPECT_NE(own_record().node->id, our_id());
  EXPECT_EQ(announced(), vtep_mac(own_record().node->id, 1));
  EXPECT_EQ(of_device(), announced());
  EXPECT_EQ(all_problems(), "");
}

TEST_F(AgentIdentityTest, ACopyWithAnOlderReservationIsStillACopy) {
  put("10.5.3.0-24", R"({"PublicIP":"192.0.2.1"})");
  put(kNeighbour, vxlan("192.0.2.9", vtep_mac(our_id(), 1), NodeTag{our_id(), 9}));
  configure(kVxlan);
  EXPECT_EQ(own_key(), "10.5.3.0-24");
  EXPECT_EQ(fresh_ids_, 1);
  EXPECT_EQ(all_problems(), "");
}

TEST_F(AgentIdentityTest, TheOriginalKeepsItsNodeIdAndItsMac) {
  configure(kVxlan);
  const LeaseAttributes before = own_record();
  put("10.5.0.0-24", vxlan("192.0.2.9", vtep_mac(our_id(), 1), NodeTag{our_id(), 9}));
  EXPECT_EQ(own_record(), before);
  EXPECT_NE(only_problem().find("10.5.0.0-24: 192.0.2.9 announces the VTEP MAC"), std::string::npos)
      << all_problems();
  start_agent();
  EXPECT_EQ(own_record(), before) << "and after a restart";
  EXPECT_EQ(fresh_ids_, 0);
}

TEST_F(AgentIdentityTest, TheOriginalKeepsItsNodeIdWithABackendWithoutMac) {
  configure(kHostGw);
  const LeaseAttributes before = own_record();
  put("10.5.0.0-24", encode_lease_value({.public_ip = IpAddress::v4(192, 0, 2, 9),
                                         .backend_type = "host-gw",
                                         .node = NodeTag{our_id(), 9}}));
  start_agent();
  EXPECT_EQ(own_record(), before);
  EXPECT_EQ(fresh_ids_, 0);
}

TEST_F(AgentIdentityTest, OfTwoCopiesThatStartTogetherTheLaterTakesANewNodeId) {
  // The other lease is older, and the watch reports it later.
  put(kNeighbour, peer_value("192.0.2.9", "vxlan"));
  configure(kVxlan);
  const Mac first = announced();
  put(kNeighbour, vxlan("192.0.2.9", first, NodeTag{our_id(), 9}));
  EXPECT_EQ(fresh_ids_, 1);
  EXPECT_NE(announced(), first);
  EXPECT_EQ(of_device(), announced());
  EXPECT_EQ(all_problems(), "");
}

TEST_F(AgentIdentityTest, TheOlderRecordOfAnotherNodeKeepsTheSharedMac) {
  put(kNeighbour, peer_value("192.0.2.9", "vxlan"));
  configure(kVxlan);
  for (int round = 1; round <= 3; ++round) {
    const Mac taken = announced();
    put(kNeighbour, vxlan("192.0.2.9", taken));
    loop_.advance(seconds(10));
    loop_.run_until_idle();
    EXPECT_NE(announced(), taken) << "round " << round;
    EXPECT_EQ(of_device(), announced());
  }
  put(kNeighbour, vxlan("192.0.2.9", announced()));
  put(kNeighbour, vxlan("192.0.2.9", own_record().backend_data.empty() ? Mac{} : announced()));
  EXPECT_LE(fresh_ids_, 4) << "not more often than every ten seconds";
}

// The watch may report our record, and with it the conflict, before the store answers the write.
TEST_F(AgentIdentityTest, ARecordFromBeforeOurStartKeepsTheSharedMac) {
  put(kNeighbour, vxlan("192.0.2.9", vtep_mac(our_id(), 1)));
  configure(kVxlan);
  EXPECT_EQ(fresh_ids_, 1);
  EXPECT_NE(announced(), vtep_mac(our_id(), 1));
  EXPECT_EQ(of_device(), announced());
  EXPECT_EQ(all_problems(), "");
}

TEST_F(AgentIdentityTest, WithoutAMacTheOlderLeaseKeepsTheSharedNodeId) {
  put(kNeighbour, peer_value("192.0.2.9"));
  configure(kHostGw);
  put(kNeighbour, encode_lease_value({.public_ip = IpAddress::v4(192, 0, 2, 9),
                                      .backend_type = "host-gw",
                                      .node = NodeTag{our_id(), 9}}));
  EXPECT_EQ(fresh_ids_, 1);
  EXPECT_NE(own_record().node->id, our_id());
  EXPECT_EQ(all_problems(), "");
}

// It came with our subnet.env, and was given our subnet while our lease had lapsed.
TEST_F(AgentIdentityTest, ACopyThatHasOurSubnetHasOurNodeIdAsWell) {
  configure(kVxlan);
  put(own_key(), vxlan("192.0.2.9", vtep_mac(our_id(), 1), NodeTag{our_id(), 9}));
  loop_.advance(seconds(5));
  EXPECT_EQ(fresh_ids_, 1);
  EXPECT_EQ(all_problems().find("has our node id"), std::string::npos) << all_problems();
}

TEST_F(AgentIdentityTest, WithALostStateFolderAndBootTheSubnetFileFindsTheLeaseAndItsMac) {
  const Mac mac{{2, 0, 0, 0, 0, 1}};
  NodeTag lost;
  lost.id.bytes[0] = 55;
  put("10.5.44.0-24", vxlan("192.0.2.1", mac, lost), std::chrono::hours(24));
  put("10.5.3.0-24", vxlan("192.0.2.1", mac), std::chrono::hours(24));
  ASSERT_TRUE(
      write_file_atomically(subnet_file(), std::string("FLANNEL_SUBNET=10.5.44.1/24\n"), 0644));
  start_agent();
  configure(kVxlan);
  EXPECT_EQ(own_key(), "10.5.44.0-24");
  EXPECT_EQ(announced(), mac);
  EXPECT_EQ(of_device(), mac);
  EXPECT_EQ(all_problems(), "");
}

TEST_F(AgentIdentityTest, WithNothingLeftTheAddressFindsTheLease) {
  NodeTag lost;
  lost.id.bytes[0] = 55;
  const Mac mac{{2, 0, 0, 0, 0, 1}};
  put("10.5.44.0-24", vxlan("192.0.2.1", mac, lost), std::chrono::hours(24));
  configure(kVxlan);
  EXPECT_EQ(own_key(), "10.5.44.0-24");
  EXPECT_EQ(announced(), mac);
  EXPECT_EQ(all_problems(), "");
}

// Its host finds its record overwritten, and writes it again.
TEST_F(AgentIdentityTest, ARecordThatBecomesReadableAndIsOlderHasTheSubnet) {
  constexpr const char* kOlder = "10.5.44.0-25";
  put(kOlder, "nonsense");
  put("10.5.44.0-24", peer_value("192.0.2.1"), std::chrono::hours(24));
  configure(kHostGw);
  ASSERT_EQ(own_key(), "10.5.44.0-24");
  ASSERT_EQ(all_problems().find("lost"), std::string::npos) << all_problems();
  put(kOlder, peer_value("192.0.2.9"));
  loop_.advance(seconds(1));
  EXPECT_NE(all_problems().find("cannot take 10.5.44.0/24 again: 192.0.2.9 has 10.5.44.0-25"),
            std::string::npos)
      << all_problems();
  remove(kOlder);
  loop_.advance(seconds(60));
  EXPECT_EQ(all_problems(), "");
}

TEST_F(AgentIdentityTest, AThirdHostReportsTheTwoThatShareAMac) {
  configure(kVxlan);
  const Mac mac{{2, 0, 0, 0, 0, 1}};
  put("10.5.44.0-24", vxlan("192.0.2.4", mac));
  put("10.5.33.0-24", vxlan("192.0.2.3", mac));
  EXPECT_EQ(
      only_problem(),
      "lease: 10.5.33.0-24: 192.0.2.3 announces the VTEP MAC 02:00:00:00:00:01 of "
      "10.5.44.0/24 at 192.0.2.4, whose lease is older: is one of the two a copy of the "
      "other?; remedy: if that host does not take another MAC by itself: restart its flanneld, "
      "or delete its record");
  const std::string kernel = dump(kernel_.read(agent_->network()->overlay().scope()).value());
  EXPECT_NE(kernel.find("02:00:00:00:00:01 dev flannel.1 dst 192.0.2.4"), std::string::npos)
      << kernel;
  EXPECT_EQ(kernel.find("192.0.2.3"), std::string::npos) << kernel;
}

}  // namespace
}  // namespace flannel::agent_identity_test
