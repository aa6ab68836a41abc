// SPDX-License-Identifier: Apache-2.0
#include "dataplane/rx_path.h"

#include <gtest/gtest.h>

#include "support/fake_ports.h"
#include "support/slow_packets.h"

namespace flannel::rx_path_test {
namespace {

using slow::Bytes;
using slow::Fields;

constexpr IpAddress kPeer = IpAddress::v4(192, 0, 2, 1);
constexpr IpAddress kOtherPeer = IpAddress::v4(192, 0, 2, 3);
constexpr IpAddress kStranger = IpAddress::v4(198, 51, 100, 9);

// We are 10.5.2.0/24; the peer owns 10.5.1.0/24, where the packets of slow::Fields come from. IPv6
// has the corresponding addresses of slow::address().
class RxPathTest : public testing::TestWithParam<Family> {
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
  // Of a packet that has `length4` bytes as IPv4.
  static std::size_t length(std::size_t length4) { return length4 + (v6() ? 20 : 0); }
  void peer_sends(const Bytes& datagram) { udp_.arrives(kPeer, datagram); }
  std::vector<Bytes> written() {
    while (path_.step(table_, now_)) {
    }
    std::vector<Bytes> packets;
    for (const FakeTun::Frame& frame : tun_.take_written()) {
      for (const Bytes& one : slow::cut(frame.bytes, frame.offload))
        packets.push_back(one);
    }
    return packets;
  }
  void is_dropped(IpAddress from, const Bytes& datagram, Drop why) {
    const std::uint64_t before = tallies_[why].get();
    udp_.arrives(from, datagram);
    EXPECT_TRUE(written().empty());
    EXPECT_EQ(tallies_[why].get(), before + 1) << to_string(why);
    const bool is_answered = why == Drop::in_ttl_expired || why == Drop::in_too_big;
    EXPECT_TRUE(is_answered || udp_.take_sent().empty()) << "answered";
  }
  static ForwardTable table(bool accept_any) {
    OverlayHost host{.mtu = 1472, .accept_any = accept_any};
    (v6() ? host.v6 : host.v4) = OwnSubnet{.subnet = slow::network(0x0a050200, v6()),
                                           .tunnel_address = slow::address(0x0a050200, v6())};
    return {host,
            {{slow::network(0x0a050100, v6()), {kPeer, 8285}},
             {slow::network(0x0a050300, v6()), {kOtherPeer, 8285}}}};
  }

  FakeUdp udp_;
  FakeTun tun_;
  PacketTallies tallies_;
  RxPath path_{udp_, tun_, tallies_};
  ForwardTable table_ = table(false);
  TimePoint now_{std::chrono::hours(1)};
};
INSTANTIATE_TEST_SUITE_P(Of, RxPathTest, testing::Values(Family::v4, Family::v6),
                         [](const auto& family) { return std::string(to_string(family.param)); });
class RxPathOfIPv4Test : public RxPathTest {};
INSTANTIATE_TEST_SUITE_P(Of, RxPathOfIPv4Test, testing::Values(Family::v4),
                         [](const auto& family) { return std::string(to_string(family.param)); });
class RxPathOfIPv6Test : public RxPathTest {};
INSTANTIATE_TEST_SUITE_P(Of, RxPathOfIPv6Test, testing::Values(Family::v6),
                         [](const auto& family) { return std::string(to_string(family.param)); });

TEST_P(RxPathTest, CountsTheBytesOfThePeerWhosePacketsPass) {
  const auto bytes_from = [this](std::uint32_t base) {
    return table_.bytes_of(slow::network(base, v6()))->received.load();
  };
  const Bytes packet = udp({}, Bytes(100, 'x'));
  peer_sends(packet);
  peer_sends(packet);
  EXPECT_EQ(written().size(), 2U);
  is_dropped(kOtherPeer, packet, Drop::in_wrong_sender);
  EXPECT_EQ(bytes_from(0x0a050100), 2 * packet.size());
  EXPECT_EQ(bytes_from(0x0a050300), 0U);
}

TEST_P(RxPathTest, GivesThePacketToTheHostOneHopOlder) {
  peer_sends(udp({.ttl = 64}, Bytes(100, 'x')));
  EXPECT_EQ(written(), std::vector<Bytes>{udp({.ttl = 63}, Bytes(100, 'x'))});
  EXPECT_EQ(tallies_.in_packets.get(), 1u);
  EXPECT_EQ(tallies_.in_bytes.get(), length(128));
}

TEST_P(RxPathTest, TakesARunApart) {
  Bytes run;
  std::vector<Bytes> expected;
  for (unsigned n = 0; n < 5; ++n) {
    const Bytes payload(n < 4 ? 100 : 30, static_cast<std::uint8_t>(n));
    const auto sequence = 1000 + 100 * n;
    const Bytes packet = tcp({.id = n, .sequence = sequence}, payload);
    run.insert(run.end(), packet.begin(), packet.end());
    expected.push_back(tcp({.id = n, .ttl = 63, .sequence = sequence}, payload));
  }
  udp_.arrives(kPeer, run, length(140));
  EXPECT_EQ(written(), expected);
  EXPECT_EQ(tallies_.in_writes.get(), 1u);
}

TEST_P(RxPathTest, OneBadDatagramOfARunDoesNotHarmTheOthers) {
  Bytes run = udp({.id = 1}, Bytes(100));
  const Bytes bad = udp({.source = 0x0a050302, .id = 2}, Bytes(100));
  const Bytes good = udp({.id = 3}, Bytes(100));
  run.insert(run.end(), bad.begin(), bad.end());
  run.insert(run.end(), good.begin(), good.end());
  udp_.arrives(kPeer, run, length(128));
  EXPECT_EQ(written().size(), 2u);
  EXPECT_EQ(tallies_[Drop::in_wrong_sender].get(), 1u);
}

TEST_P(RxPathTest, OnlyTheOwnerOfTheSourceMaySpeak) {
  is_dropped(kStranger, udp({}, Bytes(8)), Drop::in_wrong_sender);
  is_dropped(kOtherPeer, udp({}, Bytes(8)), Drop::in_wrong_sender);
  is_dropped(kPeer, udp({.source = 0x0a050902}, Bytes(8)), Drop::in_unknown_source);
  is_dropped(kPeer, udp({.source = 0x08080808}, Bytes(8)), Drop::in_unknown_source);
}

TEST_P(RxPathTest, APacketWithOurOwnSourceIsDropped) {
  const Bytes forged = udp({.source = 0x0a050202}, Bytes(8));
  is_dropped(kPeer, forged, Drop::in_unknown_source);
  table_ = ForwardTable(table_.host(), {{slow::network(0x0a050000, v6(), 16), {kPeer, 8285}}});
  is_dropped(kPeer, forged, Drop::in_unknown_source);
}

TEST_P(RxPathTest, BehindAnAsymmetricNatPeersMayComeFromAnywhere) {
  table_ = table(true);
  udp_.arrives(kStranger, udp({}, Bytes(8)));
  EXPECT_EQ(written().size(), 1u);
  is_dropped(kStranger, udp({.source = 0x0a050902}, Bytes(8)), Drop::in_unknown_source);
}

TEST_P(RxPathTest, TakesOnlyWhatIsForUs) {
  peer_sends(udp({.destination = 0x0a050200}, Bytes(8)));
  EXPECT_EQ(written().size(), 1u) << "the tunnel address itself";
  is_dropped(kPeer, udp({.destination = 0x0a050303}, Bytes(8)), Drop::in_not_for_us);
  is_dropped(kPeer, udp({.destination = 0xc0000202}, Bytes(8)), Drop::in_not_for_us);
  is_dropped(kPeer, udp({.destination = 0xe0000001}, Bytes(8)), Drop::in_not_for_us);
}

TEST_P(RxPathTest, DropsWhatIsNoIpPacket) {
  is_dropped(kPeer, {}, Drop::in_not_ip);
  const Bytes packet = udp({}, Bytes(8));
  is_dropped(kPeer, Bytes(packet.begin(), packet.begin() + (v6() ? 39 : 19)), Drop::in_not_ip);
  for (const std::uint8_t first : v6() ? Bytes{0x55, 0x70, 0x44} : Bytes{0x55, 0x44, 0x4f}) {
    Bytes other = packet;
    other[0] = first;
    is_dropped(kPeer, other, Drop::in_not_ip);
  }
}

TEST_P(RxPathTest, DropsADatagramOfAnotherLengthThanThePacket) {
  Bytes packet = udp({}, Bytes(8));
  packet.push_back(0);
  is_dropped(kPeer, packet, Drop::in_length_mismatch);
  packet.pop_back();
  packet.pop_back();
  is_dropped(kPeer, packet, Drop::in_length_mismatch);
}

TEST_P(RxPathOfIPv4Test, DropsADamagedHeader) {
  Bytes packet = udp({}, Bytes(8));
  packet[5] ^= 1;
  is_dropped(kPeer, packet, Drop::in_bad_checksum);
}

TEST_P(RxPathTest, DropsWhatIsLongerThanTheDeviceCarriesAndSaysHowMuchItDoes) {
  const std::size_t most = v6() ? 1424 : 1444;
  peer_sends(udp({}, Bytes(most)));
  EXPECT_EQ(written().size(), 1u);
  is_dropped(kPeer, udp({}, Bytes(most + 1)), Drop::in_too_big);
  const auto answers = udp_.take_sent();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(slow::get16(answers[0].bytes, slow::ip_length(answers[0].bytes)),
            v6() ? 0x0200u : 0x0304u);
  EXPECT_EQ(slow::get32(answers[0].bytes, slow::ip_length(answers[0].bytes) + 4), 1472u);
  udp_.arrives(kStranger, udp({}, Bytes(most + 1)));
  written();
  EXPECT_TRUE(udp_.take_sent().empty()) << "only peers are answered";
}

TEST_P(RxPathOfIPv4Test, WhatMayBeFragmentedPassesHoweverLongItIs) {
  const Bytes packet = udp({.dont_fragment = false}, Bytes(2000));
  peer_sends(packet);
  EXPECT_EQ(written(), std::vector<Bytes>{slow::with_ttl(packet, 63)});
  EXPECT_TRUE(udp_.take_sent().empty()) << "nothing is answered";
}

TEST_P(RxPathTest, OptionsAndFragmentsPass) {
  Fields fields{.dont_fragment = false, .ip_options = Bytes(8, 1), .fragment = 1};
  if (v6()) fields.extensions = {0, 43, 44, 60};
  Bytes packet = udp(fields, Bytes(96));
  if (!v6()) packet[6] = 0x20;
  slow::finish_ip(packet);
  peer_sends(packet);
  EXPECT_EQ(written(), std::vector<Bytes>{slow::with_ttl(packet, 63)});
}

// A jumbo payload option says more than the datagram has, and the header says zero (RFC 2675).
TEST_P(RxPathOfIPv6Test, AJumbogramIsNotAsLongAsItSays) {
  Bytes packet = udp({.extensions = {0}}, Bytes(96));
  slow::put32(packet, 42, 0xc2040001);
  slow::put16(packet, 4, 0);
  is_dropped(kPeer, packet, Drop::in_length_mismatch);
  slow::finish_ip(packet);
  peer_sends(packet);
  EXPECT_EQ(written().size(), 1u) << "the option alone is for the host to judge";
}

TEST_P(RxPathTest, TheOtherFamilyIsNotForUs) {
  Fields other{.v6 = !v6()};
  is_dropped(kPeer, slow::udp_packet(other, Bytes(8)), Drop::in_unknown_source);
  table_ = {table_.host(), {{slow::network(0x0a050100, !v6()), {kPeer, 8285}}}};
  is_dropped(kPeer, slow::udp_packet(other, Bytes(8)), Drop::in_not_for_us);
}

TEST_P(RxPathTest, PeersOfAnIpv6UnderlayMaySpeak) {
  const IpAddress peer6 = *IpAddress::parse("2001:db8::1");
  table_ = {table_.host(), {{slow::network(0x0a050100, v6()), {peer6, 8285}}}};
  udp_.arrives(peer6, udp({}, Bytes(8)));
  EXPECT_EQ(written().size(), 1u);
  is_dropped(*IpAddress::parse("2001:db8::2"), udp({}, Bytes(8)), Drop::in_wrong_sender);
  is_dropped(kPeer, udp({}, Bytes(8)), Drop::in_wrong_sender);
}

TEST_P(RxPathTest, TheLastHopIsAnsweredToTheSendersHost) {
  for (const unsigned ttl : {1u, 0u}) {
    is_dropped(kPeer, udp({.ttl = ttl}, Bytes(8)), Drop::in_ttl_expired);
    const auto answers = udp_.take_sent();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].to, (IpEndpoint{kPeer, 8285}));
    const Bytes& answer = answers[0].bytes;
    EXPECT_EQ(slow::get16(answer, slow::ip_length(answer)), v6() ? 0x0300u : 0x0b00u);
    EXPECT_EQ(slow::address_in(answer, 0), slow::address(0x0a050200, v6())) << "the tunnel address";
    EXPECT_EQ(slow::address_in(answer, 1), slow::address(0x0a050102, v6()));
    EXPECT_TRUE(slow::has_right_checksums(answer));
  }
  EXPECT_EQ(tallies_.icmp_sent.get(), 2u);
}

TEST_P(RxPathTest, ExpiryIsAnsweredOnlyToPeersAndNotTooOften) {
  udp_.arrives(kStranger, udp({.ttl = 1}, Bytes(8)));
  written();
  EXPECT_TRUE(udp_.take_sent().empty());
  for (int n = 0; n < 100; ++n)
    peer_sends(udp({.ttl = 1}, Bytes(8)));
  written();
  EXPECT_EQ(udp_.take_sent().size(), 50u);
}

}  // namespace
}  // namespace flannel::rx_path_test
