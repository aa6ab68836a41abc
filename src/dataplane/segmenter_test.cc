// SPDX-License-Identifier: Apache-2.0
#include "dataplane/segmenter.h"

#include <gtest/gtest.h>

#include <random>

#include "support/slow_packets.h"

namespace flannel::segmenter_test {
namespace {

using slow::Bytes;
using Cut = Offload::Cut;

Bytes random_bytes(std::mt19937& random, std::size_t size) {
  Bytes bytes(size);
  for (auto& byte : bytes)
    byte = static_cast<std::uint8_t>(random());
  return bytes;
}

std::optional<std::vector<Bytes>> segments(const Bytes& packet, const Offload& offload) {
  const auto segmenter = Segmenter::of(packet, *IpHeader::parse(packet), offload);
  if (!segmenter) return std::nullopt;
  std::vector<Bytes> parts;
  for (std::size_t n = 0; n < segmenter->count(); ++n) {
    parts.emplace_back(segmenter->length(n));
    segmenter->write(n, parts.back());
  }
  return parts;
}

class SegmenterTest : public testing::TestWithParam<Family> {
 protected:
  static bool v6() { return GetParam() == Family::v6; }
};
INSTANTIATE_TEST_SUITE_P(Of, SegmenterTest, testing::Values(Family::v4, Family::v6),
                         [](const auto& family) { return std::string(to_string(family.param)); });

TEST_P(SegmenterTest, LeavesAFinishedPacketAsItIs) {
  const Bytes packet = slow::tcp_packet({.v6 = v6()}, Bytes(100, 'x'));
  EXPECT_EQ(segments(packet, {}), std::vector<Bytes>{packet});
}

TEST_P(SegmenterTest, FinishesAChecksum) {
  Bytes packet = slow::udp_packet({.v6 = v6()}, Bytes(99, 'x'));
  const Bytes finished = packet;
  const Offload offload = slow::leave_undone(packet, Cut::none, 0);
  ASSERT_NE(packet, finished);
  EXPECT_EQ(segments(packet, offload), std::vector<Bytes>{finished});
}

TEST_P(SegmenterTest, AChecksumOfZeroIsSentAsAllOnes) {
  // The two bytes of payload are chosen so that the sum comes out as all ones.
  Bytes packet = slow::udp_packet({.v6 = v6()}, {0, 0});
  const auto missing = static_cast<unsigned>(slow::get16(packet, slow::checksum_at(packet)));
  packet = slow::udp_packet(
      {.v6 = v6()}, {static_cast<std::uint8_t>(missing >> 8), static_cast<std::uint8_t>(missing)});
  ASSERT_EQ(slow::get16(packet, slow::checksum_at(packet)), 0xffffu);
  Bytes unfinished = packet;
  const Offload single = slow::leave_undone(unfinished, Cut::none, 0);
  EXPECT_EQ(segments(unfinished, single), std::vector<Bytes>{packet});
  const Offload super = slow::leave_undone(unfinished, Cut::udp, 2);
  EXPECT_EQ(segments(unfinished, super), std::vector<Bytes>{packet});
}

TEST_P(SegmenterTest, MovesTheFlagsToWhereTheyBelong) {
  slow::Fields fields{
      .v6 = v6(), .id = 65535, .sequence = 0xffffff00, .flags = 0x80 | 0x10 | 0x08 | 0x01};
  Bytes packet = slow::tcp_packet(fields, Bytes(250, 'x'));
  const Offload offload = slow::leave_undone(packet, Cut::tcp, 100);
  const auto parts = segments(packet, offload);
  ASSERT_EQ(parts->size(), 3u);
  const std::size_t tcp = v6() ? 40 : 20;
  EXPECT_EQ(parts->at(0)[tcp + 13], 0x90) << "CWR on the first";
  EXPECT_EQ(parts->at(1)[tcp + 13], 0x10);
  EXPECT_EQ(parts->at(2)[tcp + 13], 0x19) << "PSH and FIN on the last";
  EXPECT_TRUE(v6() || slow::get16(parts->at(1), 4) == 0u) << "identification goes round";
  EXPECT_EQ(slow::get32(parts->at(2), tcp + 4), 0xffffff00 + 200) << "sequence too";
}

TEST_P(SegmenterTest, CutsAsTheSlowReferenceDoes) {
  std::mt19937 random(11);
  for (int round = 0; round < 600; ++round) {
    const bool is_tcp = random() % 2 == 0;
    slow::Fields fields{.v6 = v6(),
                        .source_port = static_cast<unsigned>(random() % 65536),
                        .id = static_cast<unsigned>(random() % 65536),
                        .ttl = static_cast<unsigned>(2 + random() % 254),
                        .tos = static_cast<unsigned>(random() % 256),
                        .dont_fragment = random() % 2 == 0,
                        .sequence = static_cast<std::uint32_t>(random()),
                        .flags = static_cast<unsigned>(random() % 256),
                        .ip_options = Bytes(random() % 4 * 4, 1),
                        .flow_label = static_cast<unsigned>(random() % 0x100000),
                        .tcp_options = random_bytes(random, random() % 11 * 4)};
    if (v6() && random() % 3 == 0) fields.extensions = {0, 43, 60};
    const Bytes payload = random_bytes(random, random() % 20000);
    Bytes packet = is_tcp ? slow::tcp_packet(fields, payload) : slow::udp_packet(fields, payload);
    const Offload offload =
        slow::leave_undone(packet, is_tcp ? Cut::tcp : Cut::udp, 1 + random() % 1500);
    const auto fast = segments(packet, offload);
    ASSERT_TRUE(fast);
    ASSERT_EQ(*fast, slow::cut(packet, offload)) << "round " << round;
    for (const Bytes& part : *fast)
      ASSERT_TRUE(slow::has_right_checksums(part));
  }
}

// The checksum covers the final destination (RFC 8200, 8.1), which only the sender's kernel knows.
TEST(Segmenter6, BehindARoutingHeaderKeepsTheDestinationThatTheChecksumCovers) {
  const slow::Fields last_hop{.v6 = true, .destination = 0x0a050307, .extensions = {43}};
  Bytes whole = slow::udp_packet(last_hop, Bytes(250, 'x'));
  const Offload offload = slow::leave_undone(whole, Cut::udp, 100);
  std::vector<Bytes> expected = slow::cut(whole, offload);
  const auto first_hop = slow::address(0x0a050203, true).bytes;
  std::ranges::copy(first_hop, whole.begin() + 24);
  for (Bytes& part : expected)
    std::ranges::copy(first_hop, part.begin() + 24);
  EXPECT_EQ(segments(whole, offload), expected);
}

class LyingOffload : public testing::TestWithParam<Family> {
 protected:
  static bool v6() { return GetParam() == Family::v6; }
  // Where the transport header begins.
  static std::uint16_t start() { return v6() ? 40 : 20; }
  void is_refused(const Bytes& packet, const Offload& offload) {
    EXPECT_FALSE(segments(packet, offload));
  }
  Bytes tcp_ = slow::tcp_packet({.v6 = v6()}, Bytes(100, 'x'));
  Bytes udp_ = slow::udp_packet({.v6 = v6()}, Bytes(100, 'x'));
};
INSTANTIATE_TEST_SUITE_P(Of, LyingOffload, testing::Values(Family::v4, Family::v6),
                         [](const auto& family) { return std::string(to_string(family.param)); });

TEST_P(LyingOffload, ChecksumOutsideOfThePacket) {
  is_refused(udp_,
             {.checksum_unfinished = true, .checksum_start = start(), .checksum_offset = 107});
  is_refused(udp_,
             {.checksum_unfinished = true, .checksum_start = 65535, .checksum_offset = 65535});
  is_refused(udp_, {.checksum_unfinished = true, .checksum_start = 4, .checksum_offset = 0});
}

TEST_P(LyingOffload, SegmentsOfNothing) {
  is_refused(tcp_, {.cut = Cut::tcp, .segment_size = 0});
}

TEST_P(LyingOffload, AnotherProtocol) {
  is_refused(udp_, {.cut = Cut::tcp, .segment_size = 50});
  is_refused(tcp_, {.cut = Cut::udp, .segment_size = 50});
}

TEST_P(LyingOffload, AFragment) {
  if (v6()) {
    tcp_ = slow::tcp_packet({.v6 = true, .extensions = {44}, .fragment = 1}, Bytes(100, 'x'));
  } else {
    tcp_[6] = 0x20;
  }
  is_refused(tcp_, {.cut = Cut::tcp, .segment_size = 50});
}

TEST_P(LyingOffload, ATransportHeaderThatIsCutOff) {
  tcp_[start() + 12u] = 0xf0;
  tcp_.resize(start() + 50u);
  is_refused(tcp_, {.cut = Cut::tcp, .segment_size = 50});
  udp_.resize(start() + 7u);
  is_refused(udp_, {.cut = Cut::udp, .segment_size = 50});
}

TEST(LyingOffload6, ExtensionHeadersThatLeadNowhere) {
  Bytes packet = slow::tcp_packet({.v6 = true, .extensions = {60}}, Bytes(100, 'x'));
  packet[41] = 200;
  EXPECT_FALSE(segments(packet, {.cut = Cut::tcp, .segment_size = 50}));
}

}  // namespace
}  // namespace flannel::segmenter_test
