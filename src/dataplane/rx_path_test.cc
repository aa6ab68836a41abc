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

// We are 10.5.2.0/24; the peer owns 10.5.1.0/24, where the packets of slow::Fields come from.
class RxPathTest : public testing::Test {
 protected:
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
    EXPECT_TRUE(why == Drop::in_ttl_expired || udp_.take_sent().empty()) << "answered";
  }
  static ForwardTable table(bool accept_any) {
    return {{.subnet = *IpPrefix::parse_v4("10.5.2.0/24"),
             .tunnel_address = IpAddress::v4(10, 5, 2, 0),
             .mtu = 1472,
             .accept_any = accept_any},
            {{*IpPrefix::parse_v4("10.5.1.0/24"), {kPeer, 8285}},
             {*IpPrefix::parse_v4("10.5.3.0/24"), {kOtherPeer, 8285}}}};
  }

  FakeUdp udp_;
  FakeTun tun_;
  PacketTallies tallies_;
  RxPath path_{udp_, tun_, tallies_};
  ForwardTable table_ = table(false);
  TimePoint now_{std::chrono::hours(1)};
};

TEST_F(RxPathTest, GivesThePacketToTheHostOneHopOlder) {
  peer_sends(slow::udp_packet({.ttl = 64}, Bytes(100, 'x')));
  EXPECT_EQ(written(), std::vector<Bytes>{slow::udp_packet({.ttl = 63}, Bytes(100, 'x'))});
  EXPECT_EQ(tallies_.in_packets.get(), 1u);
  EXPECT_EQ(tallies_.in_bytes.get(), 128u);
}

TEST_F(RxPathTest, TakesARunApart) {
  Bytes run;
  std::vector<Bytes> expected;
  for (unsigned n = 0; n < 5; ++n) {
    const Bytes payload(n < 4 ? 100 : 30, static_cast<std::uint8_t>(n));
    const auto sequence = 1000 + 100 * n;
    const Bytes packet = slow::tcp_packet({.id = n, .sequence = sequence}, payload);
    run.insert(run.end(), packet.begin(), packet.end());
    expected.push_back(slow::tcp_packet({.id = n, .ttl = 63, .sequence = sequence}, payload));
  }
  udp_.arrives(kPeer, run, 140);
  EXPECT_EQ(written(), expected);
  EXPECT_EQ(tallies_.in_writes.get(), 1u);
}

TEST_F(RxPathTest, OneBadDatagramOfARunDoesNotHarmTheOthers) {
  Bytes run = slow::udp_packet({.id = 1}, Bytes(100));
  const Bytes bad = slow::udp_packet({.source = 0x0a050302, .id = 2}, Bytes(100));
  const Bytes good = slow::udp_packet({.id = 3}, Bytes(100));
  run.insert(run.end(), bad.begin(), bad.end());
  run.insert(run.end(), good.begin(), good.end());
  udp_.arrives(kPeer, run, 128);
  EXPECT_EQ(written().size(), 2u);
  EXPECT_EQ(tallies_[Drop::in_wrong_sender].get(), 1u);
}

TEST_F(RxPathTest, OnlyTheOwnerOfTheSourceMaySpeak) {
  is_dropped(kStranger, slow::udp_packet({}, Bytes(8)), Drop::in_wrong_sender);
  is_dropped(kOtherPeer, slow::udp_packet({}, Bytes(8)), Drop::in_wrong_sender);
  is_dropped(kPeer, slow::udp_packet({.source = 0x0a050902}, Bytes(8)), Drop::in_unknown_source);
  is_dropped(kPeer, slow::udp_packet({.source = 0x08080808}, Bytes(8)), Drop::in_unknown_source);
}

TEST_F(RxPathTest, APacketWithOurOwnSourceIsDropped) {
  const Bytes forged = slow::udp_packet({.source = 0x0a050202}, Bytes(8));
  is_dropped(kPeer, forged, Drop::in_unknown_source);
  table_ = ForwardTable(table_.host(), {{*IpPrefix::parse_v4("10.5.0.0/16"), {kPeer, 8285}}});
  is_dropped(kPeer, forged, Drop::in_unknown_source);
}

TEST_F(RxPathTest, BehindAnAsymmetricNatPeersMayComeFromAnywhere) {
  table_ = table(true);
  udp_.arrives(kStranger, slow::udp_packet({}, Bytes(8)));
  EXPECT_EQ(written().size(), 1u);
  is_dropped(kStranger, slow::udp_packet({.source = 0x0a050902}, Bytes(8)),
             Drop::in_unknown_source);
}

TEST_F(RxPathTest, TakesOnlyWhatIsForUs) {
  peer_sends(slow::udp_packet({.destination = 0x0a050200}, Bytes(8)));
  EXPECT_EQ(written().size(), 1u) << "the tunnel address itself";
  is_dropped(kPeer, slow::udp_packet({.destination = 0x0a050303}, Bytes(8)), Drop::in_not_for_us);
  is_dropped(kPeer, slow::udp_packet({.destination = 0xc0000202}, Bytes(8)), Drop::in_not_for_us);
  is_dropped(kPeer, slow::udp_packet({.destination = 0xe0000001}, Bytes(8)), Drop::in_not_for_us);
}

TEST_F(RxPathTest, DropsWhatIsNotIpv4) {
  is_dropped(kPeer, {}, Drop::in_not_ip4);
  is_dropped(kPeer, Bytes(19, 0x45), Drop::in_not_ip4);
  Bytes packet = slow::udp_packet({}, Bytes(8));
  packet[0] = 0x65;
  is_dropped(kPeer, packet, Drop::in_not_ip4);
  packet[0] = 0x44;
  is_dropped(kPeer, packet, Drop::in_not_ip4);
  packet[0] = 0x4f;
  is_dropped(kPeer, packet, Drop::in_not_ip4);
}

TEST_F(RxPathTest, DropsADatagramOfAnotherLengthThanThePacket) {
  Bytes packet = slow::udp_packet({}, Bytes(8));
  packet.push_back(0);
  is_dropped(kPeer, packet, Drop::in_length_mismatch);
  packet.pop_back();
  packet.pop_back();
  is_dropped(kPeer, packet, Drop::in_length_mismatch);
}

TEST_F(RxPathTest, DropsADamagedHeader) {
  Bytes packet = slow::udp_packet({}, Bytes(8));
  packet[5] ^= 1;
  is_dropped(kPeer, packet, Drop::in_bad_checksum);
}

TEST_F(RxPathTest, DropsWhatIsLongerThanTheDeviceCarries) {
  peer_sends(slow::udp_packet({}, Bytes(1444)));
  EXPECT_EQ(written().size(), 1u);
  is_dropped(kPeer, slow::udp_packet({}, Bytes(1445)), Drop::in_too_big);
}

TEST_F(RxPathTest, OptionsAndFragmentsPass) {
  Bytes packet = slow::udp_packet({.dont_fragment = false, .ip_options = Bytes(8, 1)}, Bytes(96));
  packet[6] = 0x20;
  slow::put16(packet, 10, 0);
  slow::put16(packet, 10, 0xffff - slow::sum(packet, 0, 28));
  peer_sends(packet);
  EXPECT_EQ(written().size(), 1u);
}

TEST_F(RxPathTest, TheLastHopIsAnsweredToTheSendersHost) {
  for (const unsigned ttl : {1u, 0u}) {
    is_dropped(kPeer, slow::udp_packet({.ttl = ttl}, Bytes(8)), Drop::in_ttl_expired);
    const auto answers = udp_.take_sent();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].to, (IpEndpoint{kPeer, 8285}));
    EXPECT_EQ(slow::get16(answers[0].bytes, 20), 0x0b00u);
    EXPECT_EQ(slow::get32(answers[0].bytes, 12), 0x0a050200u) << "from the tunnel address";
    EXPECT_EQ(slow::get32(answers[0].bytes, 16), 0x0a050102u);
  }
  EXPECT_EQ(tallies_.icmp_sent.get(), 2u);
}

TEST_F(RxPathTest, ExpiryIsAnsweredOnlyToPeersAndNotTooOften) {
  udp_.arrives(kStranger, slow::udp_packet({.ttl = 1}, Bytes(8)));
  written();
  EXPECT_TRUE(udp_.take_sent().empty());
  for (int n = 0; n < 100; ++n)
    peer_sends(slow::udp_packet({.ttl = 1}, Bytes(8)));
  written();
  EXPECT_EQ(udp_.take_sent().size(), 50u);
}

}  // namespace
}  // namespace flannel::rx_path_test
