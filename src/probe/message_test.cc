// SPDX-License-Identifier: Apache-2.0
#include "probe/message.h"

#include <gtest/gtest.h>

#include <array>

#include "net/transport_header.h"
#include "probe/packet.h"

namespace flannel::probe_message_test {
namespace {

const ProbeMessage kMessage{.kind = ProbeMessage::Kind::answer,
                            .size = 0x0102,
                            .nonce = 0x1112131415161718,
                            .echo = 0x2122232425262728,
                            .echo_age_ms = 0x31323334,
                            .checksum = ProbeMessage::Checksum::wrong};

ProbeRoute route(Family family) {
  if (family == Family::v4) return {IpAddress::v4(10, 5, 1, 0), IpAddress::v4(10, 5, 2, 0), 1};
  return {IpAddress::parse("fd00:5:0:1::").value(), IpAddress::parse("fd00:5:0:2::").value(), 64};
}

TEST(ProbeMessageTest, HasTheBytesOfThePage) {
  std::array<std::uint8_t, ProbeMessage::kLength> bytes;
  kMessage.write(bytes);
  const std::array<std::uint8_t, ProbeMessage::kLength> page = {
      'f',  'l',  'P',  'r',  1,    2,    0x01, 0x02, 0x11, 0x12, 0x13,
      0x14, 0x15, 0x16, 0x17, 0x18, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26,
      0x27, 0x28, 0x31, 0x32, 0x33, 0x34, 2,    0,    0,    0};
  EXPECT_EQ(bytes, page);
  EXPECT_EQ(ProbeMessage::parse(bytes), kMessage);
}

TEST(ProbeMessageTest, AnythingElseIsNoMessage) {
  std::array<std::uint8_t, ProbeMessage::kLength> good;
  kMessage.write(good);
  EXPECT_FALSE(ProbeMessage::parse(ByteView(good).first(31)));
  for (const std::size_t at : {0U, 3U, 4U, 5U}) {
    auto bad = good;
    bad[at] = 9;
    EXPECT_FALSE(ProbeMessage::parse(bad)) << at;
  }
}

TEST(ProbeMessageTest, AnUnknownWordAboutTheChecksumSaysNothing) {
  std::array<std::uint8_t, ProbeMessage::kLength> bytes;
  kMessage.write(bytes);
  bytes[28] = 3;
  EXPECT_EQ(ProbeMessage::parse(bytes)->checksum, ProbeMessage::Checksum::not_seen);
}

TEST(ProbePacketTest, AWrongChecksumIsSeenInAPacketThatIsRead) {
  for (const Family family : kFamilies) {
    auto packet = probe_packet(route(family), kMessage, 100);
    EXPECT_EQ(read_probe(packet)->checksum, ProbeMessage::Checksum::right);
    packet.back() ^= 1U;
    EXPECT_EQ(read_probe(packet)->checksum, ProbeMessage::Checksum::wrong);
    EXPECT_EQ(read_probe(ByteView(packet).first(99))->checksum, ProbeMessage::Checksum::not_seen);
  }
}

TEST(ProbePacketTest, AMessageComesBackFromItsPacket) {
  for (const Family family : kFamilies) {
    const auto packet = probe_packet(route(family), kMessage, 1400);
    ASSERT_EQ(packet.size(), 1400U);
    const auto ip = IpHeader::parse(packet);
    EXPECT_FALSE(ip->may_be_fragmented);
    EXPECT_EQ(ip->hop_limit, route(family).hop_limit);
    EXPECT_TRUE(has_valid_transport_checksum(*ip, ByteView(packet).subspan(ip->header_length)));
    const auto read = read_probe(ByteView(packet).first(200));
    ASSERT_TRUE(read) << "the beginning is enough";
    EXPECT_EQ(read->from, route(family).from);
    EXPECT_EQ(read->to, route(family).to);
    EXPECT_EQ(read->size, 1400);
    EXPECT_EQ(std::get<ProbeMessage>(read->content), kMessage);
    EXPECT_EQ(probe_packet(route(family), kMessage, 0).size(), least_probe_size(family));
  }
}

TEST(ProbePacketTest, AnEchoIsReadFromItsAnswerAlone) {
  for (const Family family : kFamilies) {
    auto packet = echo_packet(route(family), 77, 100);
    EXPECT_FALSE(read_probe(packet)) << "a request";
    packet[ip_header_min(family)] = family == Family::v4 ? 0 : 129;
    const auto read = read_probe(packet);
    ASSERT_TRUE(read);
    EXPECT_EQ(std::get<std::uint64_t>(read->content), 77U);
    for (std::size_t size = 0; size < ip_header_min(family) + 16; ++size)
      EXPECT_FALSE(read_probe(ByteView(packet).first(size))) << size;
  }
}

}  // namespace
}  // namespace flannel::probe_message_test
