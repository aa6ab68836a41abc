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

// We are 10.5.1.0/24, and fd00:a05:0:1::/64 (slow::address()).
class TxPathTest : public testing::TestWithParam<Family> {
 protected:
  static bool v6() { return GetParam() == Family::v6; }
  static Bytes udp(Fields fields, const Bytes& payload) {
    fields.v6 = v6();
    return slow::udp_packet(fields, payload);
  }
  static Bytes tcp(Fields fields, const Bytes& payload) {
    fields.v6 = v6();
    return slow::tcp_packet(fields, payload);
  }
  void step() {
    while (path_.step(table_, now_)) {
    }
  }
  // Lengths of the datagrams sent, by peer: "2:128 2:128 3:40". The 20 bytes by which an IPv6
  // header is longer are not counted.
  std::string sent() {
    step();
    std::string text;
    for (FakeUdp::Datagram& one : udp_.take_sent()) {
      text += (text.empty() ? "" : " ") + std::to_string(one.to.ip.v4_value() & 0xff) + ":" +
              std::to_string(one.bytes.size() - (v6() ? 20 : 0));
      datagrams_.push_back(one.bytes);
    }
    return text;
  }
  static Fields to_peer(std::uint32_t host) { return {.destination = 0x0a050003 + (host << 8)}; }
  static OverlayHost host() {
    OverlayHost host{.mtu = 1472};
    (v6() ? host.v6 : host.v4) = OwnSubnet{.subnet = slow::network(0x0a050100, v6()),
                                           .tunnel_address = slow::address(0x0a050100, v6()),
                                           .network = slow::network(0x0a050000, v6(), 16)};
    return host;
  }
  static OverlayPeer peer(std::uint32_t subnet, IpEndpoint endpoint) {
    return {slow::network(subnet, v6()), endpoint};
  }
  std::uint64_t dropped(Drop why) const { return tallies_[why].get(); }

  FakeTun tun_;
  FakeUdp udp_;
  PacketTallies tallies_;
  TxPath path_{tun_, udp_, tallies_};
  TimePoint now_{std::chrono::hours(1)};
  ForwardTable table_{host(), {peer(0x0a050200, kPeer2), peer(0x0a050300, kPeer3)}};
  std::vector<Bytes> datagrams_;
};
INSTANTIATE_TEST_SUITE_P(Of, TxPathTest, testing::Values(Family::v4, Family::v6),
                         [](const auto& family) { return std::string(to_string(family.param)); });
class TxPathOfIPv4Test : public TxPathTest {};
INSTANTIATE_TEST_SUITE_P(Of, TxPathOfIPv4Test, testing::Values(Family::v4),
                         [](const auto& family) { return std::string(to_string(family.param)); });

TEST_P(TxPathTest, CountsTheBytesOfEachPeer) {
  const auto bytes_to = [this](std::uint32_t base) {
    return table_.bytes_of(slow::network(base, v6()))->sent.load();
  };
  tun_.host_sends(udp(to_peer(2), Bytes(100, 'x')));
  tun_.host_sends(udp(to_peer(3), Bytes(10, 'x')));
  tun_.host_sends(udp(to_peer(2), Bytes(200, 'x')));
  sent();
  const std::size_t header = v6() ? 48 : 28;
  EXPECT_EQ(bytes_to(0x0a050200), 300 + 2 * header);
  EXPECT_EQ(bytes_to(0x0a050300), 10 + header);
  EXPECT_EQ(table_.bytes_of(slow::network(0x0a050200, v6()))->received.load(), 0U);
}

TEST_P(TxPathTest, SendsTheBarePacketOneHopOlder) {
  const Bytes packet = udp(to_peer(2), Bytes(100, 'x'));
  tun_.host_sends(packet);
  EXPECT_EQ(sent(), "2:128");
  EXPECT_EQ(datagrams_, std::vector<Bytes>{slow::with_ttl(packet, 63)});
}

// As the kernel sends a datagram.
Bytes encapsulated(const FakeUdp::Datagram& datagram) {
  const bool v6 = datagram.to.ip.is_v6();
  Bytes packet = slow::udp_packet({.v6 = v6}, datagram.bytes);
  std::ranges::copy(datagram.to.ip.octets(), packet.begin() + (v6 ? 24 : 16));
  slow::finish(packet);
  return packet;
}

// Two records that name each other's subnets, or a route of the host: what was sent comes back in.
TEST_P(TxPathTest, WhatWeSentAndTheHostLeadsBackGoesNoFurther) {
  const auto in = [](std::uint32_t number) { return slow::address(number, v6()); };
  for (const auto& [endpoint_of_8, endpoint_of_9] :
       {std::pair{in(0x0a050905), in(0x0a050805)}, std::pair{in(0x0a054d05), in(0x0a050805)},
        std::pair{in(0xc0000208), in(0xc0000209)}}) {
    table_ = {{host().v4, host().v6, 1472},
              {peer(0x0a050800, {endpoint_of_8, 8285}), peer(0x0a050900, {endpoint_of_9, 8285})}};
    tun_.host_sends(udp({.destination = 0x0a050805}, Bytes(100, 'x')));
    for (int turn = 0; turn < 5; ++turn) {
      step();
      for (const FakeUdp::Datagram& one : udp_.take_sent())
        tun_.host_sends(encapsulated(one));
    }
    EXPECT_LE(tallies_.out_packets.get(), 2U);
  }
  EXPECT_EQ(tallies_.out_packets.get(), 2U) << "one to an endpoint in nobody's subnet, one outside";
  EXPECT_EQ(dropped(Drop::out_circle), 2U);
  EXPECT_EQ(dropped(Drop::out_no_peer), 1U);
}

TEST_P(TxPathTest, CutsASuperPacketIntoOneSend) {
  Bytes packet = tcp(to_peer(2), Bytes(400, 'x'));
  const Offload offload = slow::leave_undone(packet, Cut::tcp, 100);
  tun_.host_sends(packet, offload);
  EXPECT_EQ(sent(), "2:140 2:140 2:140 2:140");
  EXPECT_EQ(udp_.sends, 1);
  EXPECT_EQ(datagrams_, slow::cut(slow::with_ttl(packet, 63), offload));
}

TEST_P(TxPathTest, AFullSuperPacketLeavesItsTailToTheNext) {
  const std::size_t segment = v6() ? 1412 : 1432;
  for (int n = 0; n < 3; ++n) {
    Bytes packet = tcp(to_peer(2), Bytes(45 * segment, 'x'));
    const Offload offload = slow::leave_undone(packet, Cut::tcp, segment);
    tun_.host_sends(packet, offload);
  }
  sent();
  EXPECT_EQ(datagrams_.size(), 135u);
  EXPECT_EQ(udp_.sends, 4) << "44 datagrams of 1472 bytes fit in one";
}

TEST_P(TxPathTest, ASendCarriesNoMoreDatagramsThanTheKernelTakes) {
  Bytes packet = udp(to_peer(2), Bytes(1300, 'x'));
  const Offload offload = slow::leave_undone(packet, Cut::udp, 10);
  tun_.host_sends(packet, offload);
  sent();
  EXPECT_EQ(datagrams_.size(), 130u);
  EXPECT_EQ(udp_.sends, 3) << "64, 64 and 2";
}

TEST_P(TxPathTest, SmallPacketsOfAnyFlowShareASend) {
  for (unsigned port = 1; port <= 64; ++port) {
    Fields fields = to_peer(2);
    fields.source_port = port;
    tun_.host_sends(tcp(fields, {}));
  }
  sent();
  EXPECT_EQ(datagrams_.size(), 64u);
  EXPECT_EQ(udp_.sends, 1);
}

TEST_P(TxPathTest, AShorterPacketEndsASendAndALongerOneBeginsOne) {
  for (const std::size_t size : {100, 100, 50, 50, 100}) {
    tun_.host_sends(udp(to_peer(2), Bytes(size)));
  }
  EXPECT_EQ(sent(), "2:128 2:128 2:78 2:78 2:128");
  EXPECT_EQ(udp_.sends, 3);
}

TEST_P(TxPathTest, PeersInTurnsStillShareSends) {
  for (int n = 0; n < 10; ++n) {
    tun_.host_sends(udp(to_peer(2), Bytes(100)));
    tun_.host_sends(udp(to_peer(3), Bytes(100)));
  }
  sent();
  EXPECT_EQ(datagrams_.size(), 20u);
  EXPECT_EQ(udp_.sends, 2);
}

TEST_P(TxPathTest, WhatCannotBeCutByTheKernelIsSentOneByOneForAWhile) {
  udp_.run_result = Sent::cannot_cut;
  const auto two_packets = [&] {
    tun_.host_sends(udp(to_peer(2), Bytes(100)));
    tun_.host_sends(udp(to_peer(2), Bytes(100)));
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

TEST_P(TxPathTest, ARefusalConcernsOnePeer) {
  udp_.run_result = Sent::cannot_cut;
  for (int n = 0; n < 2; ++n)
    tun_.host_sends(udp(to_peer(2), Bytes(100)));
  sent();
  for (int n = 0; n < 2; ++n)
    tun_.host_sends(udp(to_peer(3), Bytes(100)));
  sent();
  EXPECT_EQ(udp_.sends, 2);
}

TEST_P(TxPathTest, WhatTheUnderlayDoesNotTakeIsCounted) {
  const std::pair<Sent, Drop> cases[] = {{Sent::no_buffer, Drop::out_no_buffer},
                                         {Sent::denied, Drop::out_denied},
                                         {Sent::unreachable, Drop::out_unreachable},
                                         {Sent::failed, Drop::out_failed}};
  for (const auto& [result, why] : cases) {
    udp_.single_result = udp_.run_result = result;
    for (int n = 0; n < 3; ++n)
      tun_.host_sends(udp(to_peer(2), Bytes(100)));
    EXPECT_EQ(sent(), "");
    EXPECT_EQ(dropped(why), 3u) << to_string(why);
  }
}

TEST_P(TxPathTest, AnUnknownDestinationIsUnreachable) {
  const Bytes packet = udp(to_peer(9), Bytes(100, 'x'));
  tun_.host_sends(packet);
  EXPECT_EQ(sent(), "");
  EXPECT_EQ(dropped(Drop::out_no_peer), 1u);
  const auto answers = tun_.take_written();
  ASSERT_EQ(answers.size(), 1u);
  const Bytes& answer = answers[0].bytes;
  EXPECT_EQ(slow::address_in(answer, 0), slow::address(0x0a050100, v6())) << "the tunnel address";
  EXPECT_EQ(slow::address_in(answer, 1), slow::address(0x0a050102, v6()));
  EXPECT_EQ(slow::hop_limit(answer), 8u);
  EXPECT_TRUE(slow::has_right_checksums(answer));
  const std::size_t icmp = slow::ip_length(answer);
  EXPECT_EQ(slow::get16(answer, icmp), v6() ? 0x0100u : 0x0300u) << "destination unreachable, net";
  EXPECT_TRUE(std::ranges::equal(ByteView{answer}.subspan(icmp + 8),
                                 ByteView{packet}.first(answer.size() - icmp - 8)));
  EXPECT_EQ(answer.size(), v6() ? 40 + 8 + packet.size() : 56u);
}

TEST_P(TxPathOfIPv4Test, WhatIsForAllHostsOfTheNetworkIsNotAnswered) {
  for (const std::uint32_t all : {0x0a05ffffu, 0x0a050000u}) {
    tun_.host_sends(udp({.destination = all}, Bytes(8)));
  }
  EXPECT_EQ(sent(), "");
  EXPECT_EQ(dropped(Drop::out_no_peer), 2u);
  EXPECT_TRUE(tun_.take_written().empty());
}

TEST_P(TxPathTest, TheLastHopIsAnswered) {
  Fields fields = to_peer(2);
  fields.ttl = 1;
  const Bytes packet = udp(fields, Bytes(8));
  tun_.host_sends(packet);
  EXPECT_EQ(sent(), "");
  EXPECT_EQ(dropped(Drop::out_ttl_expired), 1u);
  const auto answers = tun_.take_written();
  ASSERT_EQ(answers.size(), 1u);
  const Bytes& answer = answers[0].bytes;
  const std::size_t icmp = slow::ip_length(answer);
  EXPECT_EQ(slow::get16(answer, icmp), v6() ? 0x0300u : 0x0b00u);
  EXPECT_EQ(slow::address_in(answer, 0), slow::address(0x0a050100, v6()));
  EXPECT_EQ(answer[icmp + 8 + (v6() ? 7 : 8)], 1) << "quoted as it was";
}

TEST_P(TxPathTest, AnswersAreLimitedInNumber) {
  for (int n = 0; n < 200; ++n)
    tun_.host_sends(udp(to_peer(9), Bytes(8)));
  step();
  EXPECT_EQ(tun_.take_written().size(), 50u);
  EXPECT_EQ(tallies_.icmp_sent.get(), 50u);
  EXPECT_EQ(tallies_.icmp_suppressed.get(), 150u);
  now_ += std::chrono::milliseconds(10);
  for (int n = 0; n < 20; ++n)
    tun_.host_sends(udp(to_peer(9), Bytes(8)));
  step();
  EXPECT_EQ(tun_.take_written().size(), 10u) << "one more every millisecond";
}

TEST_P(TxPathTest, OtherVersionsAndRuntsAreDropped) {
  tun_.host_sends(Bytes(60, 0x55));
  tun_.host_sends(Bytes(19, 0x45));
  tun_.host_sends(Bytes(39, 0x60));
  EXPECT_EQ(sent(), "");
  EXPECT_EQ(dropped(Drop::out_not_ip), 3u);
  EXPECT_TRUE(tun_.take_written().empty()) << "and not answered";
}

TEST_P(TxPathTest, TheFamilyThatWeDoNotHaveIsNotAnswered) {
  tun_.host_sends(slow::udp_packet({.v6 = !v6()}, Bytes(8)));
  EXPECT_EQ(sent(), "");
  EXPECT_EQ(dropped(Drop::out_no_peer), 1u);
  EXPECT_TRUE(tun_.take_written().empty()) << "there is no address to answer from";
}

// What the kernel sends on every IPv6 device, and what a container may send.
TEST_P(TxPathTest, WhatIsForTheLinkStaysHere) {
  std::vector<Bytes> packets;
  for (const char* to : {"ff02::2", "ff02::16", "fe80::1", "ff0e::1", "224.0.0.1", "169.254.0.1"}) {
    const IpAddress ip = *IpAddress::parse(to);
    packets.push_back(encapsulated({.to = {ip, 9}, .bytes = Bytes(8)}));
  }
  for (const std::uint8_t type : Bytes{133, 134, 135, 136, 137, 143}) {
    Bytes message =
        slow::ip_packet({.v6 = true, .destination = 0x0a050203}, 58, {type, 0, 0, 0, 0, 0, 0, 0});
    packets.push_back(std::move(message));
  }
  table_ = {table_.host(),
            {{*IpPrefix::parse("::/0"), kPeer2}, {*IpPrefix::parse("0.0.0.0/0"), kPeer2}}};
  for (const Bytes& packet : packets)
    tun_.host_sends(packet);
  EXPECT_EQ(sent(), "");
  EXPECT_EQ(dropped(Drop::out_link_only), packets.size());
  EXPECT_TRUE(tun_.take_written().empty()) << "and is not answered";
}

TEST_P(TxPathTest, APeerOfAnIpv6UnderlayIsReached) {
  const IpEndpoint peer6{*IpAddress::parse("2001:db8::2"), 8285};
  table_ = {table_.host(), {{slow::network(0x0a050200, v6()), peer6}}};
  tun_.host_sends(udp(to_peer(2), Bytes(8)));
  step();
  const auto datagrams = udp_.take_sent();
  ASSERT_EQ(datagrams.size(), 1u);
  EXPECT_EQ(datagrams[0].to, peer6);
}

TEST_P(TxPathTest, ALengthThatIsNotThePacketsIsDropped) {
  Bytes packet = udp(to_peer(2), Bytes(100));
  packet.push_back(0);
  tun_.host_sends(packet);
  packet.resize(100);
  tun_.host_sends(packet);
  EXPECT_EQ(sent(), "");
  EXPECT_EQ(dropped(Drop::out_malformed), 2u);
}

TEST_P(TxPathTest, APacketLongerThanADatagramCanBeIsDropped) {
  tun_.host_sends(udp(to_peer(2), Bytes(65535 - (v6() ? 48 : 28))));
  EXPECT_EQ(sent(), "");
  EXPECT_EQ(dropped(Drop::out_malformed), 1u);
}

TEST_P(TxPathTest, OptionsAndFragmentsPass) {
  Fields fields = to_peer(2);
  fields.ip_options = Bytes(8, 1);
  fields.dont_fragment = false;
  fields.fragment = 1;
  if (v6()) fields.extensions = {44};
  Bytes packet = udp(fields, Bytes(96));
  if (!v6()) packet[6] = 0x20;
  tun_.host_sends(slow::with_ttl(packet, 64));
  EXPECT_EQ(sent(), "2:132");
  EXPECT_EQ(datagrams_, std::vector<Bytes>{slow::with_ttl(packet, 63)});
}

TEST_P(TxPathTest, ANewTableCountsFromTheNextStepOn) {
  tun_.host_sends(udp(to_peer(9), Bytes(8)));
  EXPECT_EQ(sent(), "");
  table_ = ForwardTable(table_.host(), {peer(0x0a050900, kPeer3)});
  tun_.host_sends(udp(to_peer(9), Bytes(8)));
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
