// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tx_path.h"

#include <gtest/gtest.h>

#include "support/fake_ports.h"
#include "support/slow_packets.h"

namespace flannel::tx_path_test {
namespace {

using slow::Bytes;
using slow::Fields;
using Cut = Offload::Cut;

constexpr IpEndpoint kPeer2{IpAddress::v4(192, 0, 2, 2), 8285};
constexpr IpEndpoint kPeer3{IpAddress::v4(192, 0, 2, 3), 8285};

class TxPathTest : public testing::Test {
 protected:
  void step() {
    while (path_.step(table_, now_)) {
    }
  }
  // Lengths of the datagrams sent, by peer: "2:128 2:128 3:40".
  std::string sent() {
    step();
    std::string text;
    for (FakeUdp::Datagram& one : udp_.take_sent()) {
      text += (text.empty() ? "" : " ") + std::to_string(one.to.ip.v4_value() & 0xff) + ":" +
              std::to_string(one.bytes.size());
      datagrams_.push_back(one.bytes);
    }
    return text;
  }
  static Fields to_peer(std::uint32_t host) { return {.destination = 0x0a050003 + (host << 8)}; }
  static Bytes with_ttl(Bytes packet, int ttl) {
    packet[8] = static_cast<std::uint8_t>(ttl);
    slow::put16(packet, 10, 0);
    slow::put16(packet, 10, 0xffff - slow::sum(packet, 0, slow::ip_length(packet)));
    return packet;
  }
  std::uint64_t dropped(Drop why) const { return tallies_[why].get(); }

  FakeTun tun_;
  FakeUdp udp_;
  PacketTallies tallies_;
  TxPath path_{tun_, udp_, tallies_};
  TimePoint now_{std::chrono::hours(1)};
  ForwardTable table_{
      {.subnet = *IpPrefix::parse_v4("10.5.1.0/24"),
       .tunnel_address = IpAddress::v4(10, 5, 1, 0),
       .mtu = 1472,
       .network = *IpPrefix::parse_v4("10.5.0.0/16"),
       .accept_any = false},
      {{*IpPrefix::parse_v4("10.5.2.0/24"), kPeer2}, {*IpPrefix::parse_v4("10.5.3.0/24"), kPeer3}}};
  std::vector<Bytes> datagrams_;
};

TEST_F(TxPathTest, SendsTheBarePacketOneHopOlder) {
  const Bytes packet = slow::udp_packet(to_peer(2), Bytes(100, 'x'));
  tun_.host_sends(packet);
  EXPECT_EQ(sent(), "2:128");
  EXPECT_EQ(datagrams_, std::vector<Bytes>{with_ttl(packet, 63)});
}

// Two records that name each other's subnets, or a route of the host: what was sent comes back in.
TEST_F(TxPathTest, WhatWeSentAndTheHostLeadsBackGoesNoFurther) {
  for (const auto& [endpoint_of_8, endpoint_of_9] :
       {std::pair{IpAddress::v4(10, 5, 9, 5), IpAddress::v4(10, 5, 8, 5)},
        std::pair{IpAddress::v4(10, 5, 77, 5), IpAddress::v4(10, 5, 8, 5)},
        std::pair{IpAddress::v4(192, 0, 2, 8), IpAddress::v4(192, 0, 2, 9)}}) {
    table_ = {{.subnet = *IpPrefix::parse_v4("10.5.1.0/24"), .mtu = 1472},
              {{*IpPrefix::parse_v4("10.5.8.0/24"), {endpoint_of_8, 8285}},
               {*IpPrefix::parse_v4("10.5.9.0/24"), {endpoint_of_9, 8285}}}};
    tun_.host_sends(slow::udp_packet({.destination = 0x0a050805}, Bytes(100, 'x')));
    for (int turn = 0; turn < 5; ++turn) {
      step();
      for (const FakeUdp::Datagram& one : udp_.take_sent())
        tun_.host_sends(slow::udp_packet({.destination = one.to.ip.v4_value()}, one.bytes));
    }
    EXPECT_LE(tallies_.out_packets.get(), 2U);
  }
  EXPECT_EQ(tallies_.out_packets.get(), 2U) << "one to an endpoint in nobody's subnet, one outside";
  EXPECT_EQ(dropped(Drop::out_circle), 2U);
  EXPECT_EQ(dropped(Drop::out_no_peer), 1U);
}

TEST_F(TxPathTest, CutsASuperPacketIntoOneSend) {
  Bytes packet = slow::tcp_packet(to_peer(2), Bytes(400, 'x'));
  const Offload offload = slow::leave_undone(packet, Cut::tcp4, 100);
  tun_.host_sends(packet, offload);
  EXPECT_EQ(sent(), "2:140 2:140 2:140 2:140");
  EXPECT_EQ(udp_.sends, 1);
  EXPECT_EQ(datagrams_, slow::cut(with_ttl(packet, 63), offload));
}

TEST_F(TxPathTest, AFullSuperPacketLeavesItsTailToTheNext) {
  for (int n = 0; n < 3; ++n) {
    Bytes packet = slow::tcp_packet(to_peer(2), Bytes(45 * 1432, 'x'));
    const Offload offload = slow::leave_undone(packet, Cut::tcp4, 1432);
    tun_.host_sends(packet, offload);
  }
  sent();
  EXPECT_EQ(datagrams_.size(), 135u);
  EXPECT_EQ(udp_.sends, 4) << "44 datagrams of 1472 bytes fit in one";
}

TEST_F(TxPathTest, ASendCarriesNoMoreDatagramsThanTheKernelTakes) {
  Bytes packet = slow::udp_packet(to_peer(2), Bytes(1300, 'x'));
  const Offload offload = slow::leave_undone(packet, Cut::udp4, 10);
  tun_.host_sends(packet, offload);
  sent();
  EXPECT_EQ(datagrams_.size(), 130u);
  EXPECT_EQ(udp_.sends, 3) << "64, 64 and 2";
}

TEST_F(TxPathTest, SmallPacketsOfAnyFlowShareASend) {
  for (unsigned port = 1; port <= 64; ++port) {
    Fields fields = to_peer(2);
    fields.source_port = port;
    tun_.host_sends(slow::tcp_packet(fields, {}));
  }
  sent();
  EXPECT_EQ(datagrams_.size(), 64u);
  EXPECT_EQ(udp_.sends, 1);
}

TEST_F(TxPathTest, AShorterPacketEndsASendAndALongerOneBeginsOne) {
  for (const std::size_t size : {100, 100, 50, 50, 100}) {
    tun_.host_sends(slow::udp_packet(to_peer(2), Bytes(size)));
  }
  EXPECT_EQ(sent(), "2:128 2:128 2:78 2:78 2:128");
  EXPECT_EQ(udp_.sends, 3);
}

TEST_F(TxPathTest, PeersInTurnsStillShareSends) {
  for (int n = 0; n < 10; ++n) {
    tun_.host_sends(slow::udp_packet(to_peer(2), Bytes(100)));
    tun_.host_sends(slow::udp_packet(to_peer(3), Bytes(100)));
  }
  sent();
  EXPECT_EQ(datagrams_.size(), 20u);
  EXPECT_EQ(udp_.sends, 2);
}

TEST_F(TxPathTest, WhatCannotBeCutByTheKernelIsSentOneByOneForAWhile) {
  udp_.run_result = Sent::cannot_cut;
  const auto two_packets = [&] {
    tun_.host_sends(slow::udp_packet(to_peer(2), Bytes(100)));
    tun_.host_sends(slow::udp_packet(to_peer(2), Bytes(100)));
  };
  two_packets();
  EXPECT_EQ(sent(), "2:128 2:128");
  EXPECT_EQ(udp_.sends_each, 1);

  two_packets();
  EXPECT_EQ(sent(), "2:128 2:128");
  EXPECT_EQ(udp_.sends, 1) << "the refusal is remembered";
  EXPECT_EQ(udp_.sends_each, 2);

  udp_.run_result = Sent::done;
  now_ += std::chrono::seconds(6);
  two_packets();
  EXPECT_EQ(sent(), "2:128 2:128");
  EXPECT_EQ(udp_.sends, 2) << "the path may be wider now";
  EXPECT_EQ(tallies_.out_uncut.get(), 2u);
}

TEST_F(TxPathTest, ARefusalConcernsOnePeer) {
  udp_.run_result = Sent::cannot_cut;
  for (int n = 0; n < 2; ++n)
    tun_.host_sends(slow::udp_packet(to_peer(2), Bytes(100)));
  sent();
  for (int n = 0; n < 2; ++n)
    tun_.host_sends(slow::udp_packet(to_peer(3), Bytes(100)));
  sent();
  EXPECT_EQ(udp_.sends, 2);
}

TEST_F(TxPathTest, WhatTheUnderlayDoesNotTakeIsCounted) {
  const std::pair<Sent, Drop> cases[] = {{Sent::no_buffer, Drop::out_no_buffer},
                                         {Sent::denied, Drop::out_denied},
                                         {Sent::unreachable, Drop::out_unreachable},
                                         {Sent::failed, Drop::out_failed}};
  for (const auto& [result, why] : cases) {
    udp_.single_result = udp_.run_result = result;
    for (int n = 0; n < 3; ++n)
      tun_.host_sends(slow::udp_packet(to_peer(2), Bytes(100)));
    EXPECT_EQ(sent(), "");
    EXPECT_EQ(dropped(why), 3u) << to_string(why);
  }
}

TEST_F(TxPathTest, AnUnknownDestinationIsUnreachable) {
  const Bytes packet = slow::udp_packet(to_peer(9), Bytes(100, 'x'));
  tun_.host_sends(packet);
  EXPECT_EQ(sent(), "");
  EXPECT_EQ(dropped(Drop::out_no_peer), 1u);
  const auto answers = tun_.take_written();
  ASSERT_EQ(answers.size(), 1u);
  const Bytes& answer = answers[0].bytes;
  EXPECT_EQ(slow::get32(answer, 12), 0x0a050100u) << "from the tunnel address";
  EXPECT_EQ(slow::get32(answer, 16), 0x0a050102u);
  EXPECT_EQ(answer[8], 8) << "ttl";
  EXPECT_EQ(slow::get16(answer, 20), 0x0300u) << "destination unreachable, net";
  EXPECT_TRUE(std::equal(answer.begin() + 28, answer.end(), packet.begin()));
  EXPECT_EQ(answer.size(), 56u);
}

TEST_F(TxPathTest, WhatIsForAllHostsOfTheNetworkIsNotAnswered) {
  for (const std::uint32_t all : {0x0a05ffffu, 0x0a050000u}) {
    tun_.host_sends(slow::udp_packet({.destination = all}, Bytes(8)));
  }
  EXPECT_EQ(sent(), "");
  EXPECT_EQ(dropped(Drop::out_no_peer), 2u);
  EXPECT_TRUE(tun_.take_written().empty());
}

TEST_F(TxPathTest, TheLastHopIsAnswered) {
  Fields fields = to_peer(2);
  fields.ttl = 1;
  const Bytes packet = slow::udp_packet(fields, Bytes(8));
  tun_.host_sends(packet);
  EXPECT_EQ(sent(), "");
  EXPECT_EQ(dropped(Drop::out_ttl_expired), 1u);
  const auto answers = tun_.take_written();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(slow::get16(answers[0].bytes, 20), 0x0b00u);
  EXPECT_EQ(slow::get32(answers[0].bytes, 12), 0x0a050100u);
  EXPECT_EQ(answers[0].bytes[28 + 8], 1) << "quoted as it was";
}

TEST_F(TxPathTest, AnswersAreLimitedInNumber) {
  for (int n = 0; n < 200; ++n)
    tun_.host_sends(slow::udp_packet(to_peer(9), Bytes(8)));
  step();
  EXPECT_EQ(tun_.take_written().size(), 50u);
  EXPECT_EQ(tallies_.icmp_sent.get(), 50u);
  EXPECT_EQ(tallies_.icmp_suppressed.get(), 150u);
  now_ += std::chrono::milliseconds(10);
  for (int n = 0; n < 20; ++n)
    tun_.host_sends(slow::udp_packet(to_peer(9), Bytes(8)));
  step();
  EXPECT_EQ(tun_.take_written().size(), 10u) << "one more every millisecond";
}

TEST_F(TxPathTest, Ipv6AndRuntsAreDropped) {
  Bytes ip6(40);
  ip6[0] = 0x60;
  tun_.host_sends(ip6);
  tun_.host_sends(Bytes(19, 0x45));
  EXPECT_EQ(sent(), "");
  EXPECT_EQ(dropped(Drop::out_not_ip4), 2u);
  EXPECT_TRUE(tun_.take_written().empty()) << "and not answered";
}

TEST_F(TxPathTest, ALengthThatIsNotThePacketsIsDropped) {
  Bytes packet = slow::udp_packet(to_peer(2), Bytes(100));
  packet.push_back(0);
  tun_.host_sends(packet);
  packet.resize(100);
  tun_.host_sends(packet);
  EXPECT_EQ(sent(), "");
  EXPECT_EQ(dropped(Drop::out_malformed), 2u);
}

TEST_F(TxPathTest, APacketLongerThanADatagramCanBeIsDropped) {
  tun_.host_sends(slow::udp_packet(to_peer(2), Bytes(65535 - 28)));
  EXPECT_EQ(sent(), "");
  EXPECT_EQ(dropped(Drop::out_malformed), 1u);
}

TEST_F(TxPathTest, OptionsAndFragmentsPass) {
  Fields fields = to_peer(2);
  fields.ip_options = Bytes(8, 1);
  fields.dont_fragment = false;
  Bytes packet = slow::udp_packet(fields, Bytes(96));
  packet[6] = 0x20;
  tun_.host_sends(with_ttl(packet, 64));
  EXPECT_EQ(sent(), "2:132");
  EXPECT_EQ(datagrams_, std::vector<Bytes>{with_ttl(packet, 63)});
}

TEST_F(TxPathTest, ANewTableCountsFromTheNextStepOn) {
  tun_.host_sends(slow::udp_packet(to_peer(9), Bytes(8)));
  EXPECT_EQ(sent(), "");
  table_ = ForwardTable(table_.host(), {{*IpPrefix::parse_v4("10.5.9.0/24"), kPeer3}});
  tun_.host_sends(slow::udp_packet(to_peer(9), Bytes(8)));
  EXPECT_EQ(sent(), "3:36");
}

TEST(RateLimit, EarnsByTheTimeThatPassedAndKeepsTheRest) {
  constexpr auto kMs = std::chrono::microseconds(1000);
  RateLimit limit{2, kMs};
  TimePoint now{std::chrono::hours(1)};
  EXPECT_TRUE(limit.allow(now));
  EXPECT_TRUE(limit.allow(now));
  EXPECT_FALSE(limit.allow(now));
  EXPECT_TRUE(limit.allow(now += kMs * 3 / 2));
  EXPECT_FALSE(limit.allow(now));
  EXPECT_TRUE(limit.allow(now += kMs / 2)) << "the half from before counts";
  EXPECT_TRUE(limit.allow(now += 100 * kMs));
  EXPECT_TRUE(limit.allow(now));
  EXPECT_FALSE(limit.allow(now)) << "no more than the burst is saved up";
}

}  // namespace
}  // namespace flannel::tx_path_test
