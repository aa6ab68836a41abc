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
  const auto segmenter = Segmenter::of(packet, *Ip4Header::parse(packet), offload);
  if (!segmenter) return std::nullopt;
  std::vector<Bytes> parts;
  for (std::size_t n = 0; n < segmenter->count(); ++n) {
    parts.emplace_back(segmenter->length(n));
    segmenter->write(n, parts.back());
  }
  return parts;
}

TEST(Segmenter, LeavesAFinishedPacketAsItIs) {
  const Bytes packet = slow::tcp_packet({}, Bytes(100, 'x'));
  EXPECT_EQ(segments(packet, {}), std::vector<Bytes>{packet});
}

TEST(Segmenter, FinishesAChecksum) {
  Bytes packet = slow::udp_packet({}, Bytes(99, 'x'));
  const Bytes finished = packet;
  const Offload offload = slow::leave_undone(packet, Cut::none, 0);
  ASSERT_NE(packet, finished);
  EXPECT_EQ(segments(packet, offload), std::vector<Bytes>{finished});
}

TEST(Segmenter, AChecksumOfZeroIsSentAsAllOnes) {
  // The two bytes of payload are chosen so that the sum comes out as all ones.
  Bytes packet = slow::udp_packet({}, {0, 0});
  const auto missing = static_cast<unsigned>(slow::get16(packet, 26));
  packet = slow::udp_packet(
      {}, {static_cast<std::uint8_t>(missing >> 8), static_cast<std::uint8_t>(missing)});
  ASSERT_EQ(slow::get16(packet, 26), 0xffffu);
  Bytes unfinished = packet;
  const Offload single = slow::leave_undone(unfinished, Cut::none, 0);
  EXPECT_EQ(segments(unfinished, single), std::vector<Bytes>{packet});
  const Offload super = slow::leave_undone(unfinished, Cut::udp4, 2);
  EXPECT_EQ(segments(unfinished, super), std::vector<Bytes>{packet});
}

TEST(Segmenter, MovesTheFlagsToWhereTheyBelong) {
  slow::Fields fields{.id = 65535, .sequence = 0xffffff00, .flags = 0x80 | 0x10 | 0x08 | 0x01};
  Bytes packet = slow::tcp_packet(fields, Bytes(250, 'x'));
  const Offload offload = slow::leave_undone(packet, Cut::tcp4, 100);
  const auto parts = segments(packet, offload);
  ASSERT_EQ(parts->size(), 3u);
  EXPECT_EQ(parts->at(0)[33], 0x90) << "CWR on the first";
  EXPECT_EQ(parts->at(1)[33], 0x10);
  EXPECT_EQ(parts->at(2)[33], 0x19) << "PSH and FIN on the last";
  EXPECT_EQ(slow::get16(parts->at(1), 4), 0u) << "identification goes round";
  EXPECT_EQ(slow::get32(parts->at(2), 24), 0xffffff00 + 200) << "sequence too";
}

TEST(Segmenter, CutsAsTheSlowReferenceDoes) {
  std::mt19937 random(11);
  for (int round = 0; round < 600; ++round) {
    const bool is_tcp = random() % 2 == 0;
    slow::Fields fields{.source_port = static_cast<unsigned>(random() % 65536),
                        .id = static_cast<unsigned>(random() % 65536),
                        .ttl = static_cast<unsigned>(2 + random() % 254),
                        .tos = static_cast<unsigned>(random() % 256),
                        .dont_fragment = random() % 2 == 0,
                        .sequence = static_cast<std::uint32_t>(random()),
                        .flags = static_cast<unsigned>(random() % 256),
                        .ip_options = Bytes(random() % 4 * 4, 1),
                        .tcp_options = random_bytes(random, random() % 11 * 4)};
    const Bytes payload = random_bytes(random, random() % 20000);
    Bytes packet = is_tcp ? slow::tcp_packet(fields, payload) : slow::udp_packet(fields, payload);
    const Offload offload =
        slow::leave_undone(packet, is_tcp ? Cut::tcp4 : Cut::udp4, 1 + random() % 1500);
    const auto fast = segments(packet, offload);
    ASSERT_TRUE(fast);
    ASSERT_EQ(*fast, slow::cut(packet, offload)) << "round " << round;
    for (const Bytes& part : *fast)
      ASSERT_TRUE(slow::has_right_checksums(part));
  }
}

class LyingOffload : public testing::Test {
 protected:
  void is_refused(const Bytes& packet, const Offload& offload) {
    EXPECT_FALSE(segments(packet, offload));
  }
  Bytes tcp_ = slow::tcp_packet({}, Bytes(100, 'x'));
  Bytes udp_ = slow::udp_packet({}, Bytes(100, 'x'));
};

TEST_F(LyingOffload, ChecksumOutsideOfThePacket) {
  is_refused(udp_, {.checksum_unfinished = true, .checksum_start = 20, .checksum_offset = 107});
  is_refused(udp_,
             {.checksum_unfinished = true, .checksum_start = 65535, .checksum_offset = 65535});
  is_refused(udp_, {.checksum_unfinished = true, .checksum_start = 4, .checksum_offset = 0});
}

TEST_F(LyingOffload, SegmentsOfNothing) {
  is_refused(tcp_, {.cut = Cut::tcp4, .segment_size = 0});
}

TEST_F(LyingOffload, AnotherProtocol) {
  is_refused(udp_, {.cut = Cut::tcp4, .segment_size = 50});
  is_refused(tcp_, {.cut = Cut::udp4, .segment_size = 50});
}

TEST_F(LyingOffload, AFragment) {
  tcp_[6] = 0x20;
  is_refused(tcp_, {.cut = Cut::tcp4, .segment_size = 50});
}

TEST_F(LyingOffload, ATransportHeaderThatIsCutOff) {
  tcp_[32] = 0xf0;
  tcp_.resize(70);
  is_refused(tcp_, {.cut = Cut::tcp4, .segment_size = 50});
  udp_.resize(27);
  is_refused(udp_, {.cut = Cut::udp4, .segment_size = 50});
}

}  // namespace
}  // namespace flannel::segmenter_test
