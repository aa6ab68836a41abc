// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "net/checksum.h"
#include "net/ip4_header.h"
#include "net/transport_header.h"

namespace flannel::headers_test {
namespace {

using Bytes = std::vector<std::uint8_t>;

// RFC 1071 word for word: 16-bit words, carries folded as they come.
std::uint16_t slow_sum(ByteView bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? bytes[i] * 256u : bytes[i];
    if (sum > 0xffff) sum -= 0xffff;
  }
  return static_cast<std::uint16_t>(sum);
}

Bytes random_bytes(std::mt19937& random, std::size_t size) {
  Bytes bytes(size);
  for (auto& byte : bytes)
    byte = static_cast<std::uint8_t>(random());
  return bytes;
}

TEST(Checksum, IsTheExampleOfRfc1071) {
  const Bytes example{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(ones_sum(example), 0xddf2);
  EXPECT_EQ(internet_checksum(example), 0x220d);
}

TEST(Checksum, AgreesWithASlowOneAtEveryLengthAndAlignment) {
  std::mt19937 random(1);
  const Bytes bytes = random_bytes(random, 300);
  for (std::size_t start = 0; start < 17; ++start) {
    for (std::size_t size = 0; start + size <= bytes.size(); ++size) {
      const ByteView part = ByteView{bytes}.subspan(start, size);
      ASSERT_EQ(ones_sum(part), slow_sum(part)) << start << "+" << size;
    }
  }
}

TEST(Checksum, SurvivesTheLargestPacketOfOnes) {
  EXPECT_EQ(ones_sum(Bytes(65534, 0xff)), 0xffff);
}

TEST(Checksum, CopiesWhatItSums) {
  std::mt19937 random(2);
  for (const std::size_t size : {0, 1, 3, 31, 32, 33, 1447, 1448}) {
    const Bytes from = random_bytes(random, size);
    Bytes to(size + 1, 0xee);
    EXPECT_EQ(copy_and_sum(to.data(), from), slow_sum(from));
    EXPECT_TRUE(std::equal(from.begin(), from.end(), to.begin()));
    EXPECT_EQ(to.back(), 0xee);
  }
}

TEST(Checksum, UpdateEqualsRecomputation) {
  std::mt19937 random(3);
  for (int i = 0; i < 2000; ++i) {
    Bytes bytes = random_bytes(random, 20);
    const std::uint16_t before = internet_checksum(bytes);
    const std::uint16_t old_word = load_be16(bytes, 8);
    const auto new_word = static_cast<std::uint16_t>(random());
    store_be16(bytes, 8, new_word);
    // Zero has two representations in one's complement; both are valid in a header.
    const std::uint16_t updated = update_checksum(before, old_word, new_word);
    EXPECT_EQ(add_sums(slow_sum(bytes), updated), 0xffff);
  }
}

TEST(Ip4Header, IsReadBackAsWritten) {
  const Ip4Header header{.tos = 0x2e,
                         .total_length = 1500,
                         .id = 0xbeef,
                         .dont_fragment = true,
                         .fragment_offset = 1480,
                         .ttl = 63,
                         .protocol = kProtocolUdp,
                         .source = IpAddress::v4(10, 5, 1, 2),
                         .destination = IpAddress::v4(10, 5, 2, 3)};
  Bytes bytes(kIp4HeaderMin);
  header.write(bytes);
  EXPECT_TRUE(has_valid_ip4_checksum(bytes));
  auto read = Ip4Header::parse(bytes);
  ASSERT_TRUE(read);
  read->checksum = 0;
  EXPECT_EQ(*read, header);
  EXPECT_TRUE(read->is_fragment());
}

TEST(Ip4Header, ThatDoesNotFitIsNone) {
  Bytes bytes(24);
  Ip4Header{.total_length = 24}.write(bytes);
  bytes[0] = 0x46;
  EXPECT_EQ(Ip4Header::parse(bytes)->header_length, 24);
  EXPECT_FALSE(Ip4Header::parse(ByteView{bytes}.first(23))) << "options cut off";
  EXPECT_FALSE(Ip4Header::parse(ByteView{bytes}.first(19)));
  EXPECT_FALSE(Ip4Header::parse({}));
  bytes[0] = 0x44;
  EXPECT_FALSE(Ip4Header::parse(bytes)) << "a header of 16 bytes";
  bytes[0] = 0x65;
  EXPECT_FALSE(Ip4Header::parse(bytes)) << "version 6";
}

TEST(Ip4Header, LosesOneHopAndKeepsItsChecksumRight) {
  for (int ttl = 1; ttl < 256; ++ttl) {
    Bytes bytes(kIp4HeaderMin);
    Ip4Header{.id = static_cast<std::uint16_t>(ttl * 257), .ttl = static_cast<std::uint8_t>(ttl)}
        .write(bytes);
    decrement_ttl(bytes);
    EXPECT_EQ(bytes[8], ttl - 1);
    EXPECT_TRUE(has_valid_ip4_checksum(bytes));
  }
}

TEST(Ip4Header, AWrongChecksumStaysWrong) {
  Bytes bytes(kIp4HeaderMin);
  Ip4Header{}.write(bytes);
  bytes[4] ^= 1;
  decrement_ttl(bytes);
  EXPECT_FALSE(has_valid_ip4_checksum(bytes));
}

TEST(TcpHeader, IsReadBackAsWritten) {
  const TcpHeader header{.source_port = 40000,
                         .destination_port = 5201,
                         .sequence = 0xfedcba98,
                         .acknowledgement = 0x01234567,
                         .flags = TcpHeader::kAck | TcpHeader::kPsh,
                         .window = 512,
                         .checksum = 0xabcd,
                         .urgent = 7};
  Bytes bytes(kTcpHeaderMin);
  header.write(bytes);
  EXPECT_EQ(TcpHeader::parse(bytes), header);
  EXPECT_FALSE(TcpHeader::parse(ByteView{bytes}.first(19)));
  bytes[12] = 0x60;
  EXPECT_FALSE(TcpHeader::parse(bytes)) << "options cut off";
  bytes[12] = 0x40;
  EXPECT_FALSE(TcpHeader::parse(bytes)) << "a header of 16 bytes";
}

TEST(UdpHeader, IsReadBackAsWritten) {
  const UdpHeader header{
      .source_port = 53, .destination_port = 33000, .length = 100, .checksum = 0x1234};
  Bytes bytes(kUdpHeaderLength);
  header.write(bytes);
  EXPECT_EQ(UdpHeader::parse(bytes), header);
  EXPECT_FALSE(UdpHeader::parse(ByteView{bytes}.first(7)));
}

TEST(TransportChecksum, CoversThePseudoHeader) {
  const IpHeader ip{.source = IpAddress::v4(10, 5, 1, 2),
                    .destination = IpAddress::v4(10, 5, 2, 3),
                    .protocol = kProtocolUdp};
  Bytes datagram{0x9c, 0x40, 0x00, 0x35, 0x00, 0x0b, 0x00, 0x00, 'a', 'b', 'c'};
  EXPECT_FALSE(has_valid_transport_checksum(ip, datagram)) << "none computed";
  // By hand: pseudo 0a05+0102+0a05+0203+0011+000b = 172b; datagram 9c40+0035+000b+6162+6300 =
  // 160e2.
  store_be16(datagram, kUdpChecksumAt, static_cast<std::uint16_t>(~(0x172b + 0x60e2 + 1)));
  EXPECT_TRUE(has_valid_transport_checksum(ip, datagram));
  datagram.back() ^= 1;
  EXPECT_FALSE(has_valid_transport_checksum(ip, datagram));
}

}  // namespace
}  // namespace flannel::headers_test
