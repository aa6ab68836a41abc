// SPDX-License-Identifier: Apache-2.0
#include "net/icmp.h"

#include <gtest/gtest.h>

#include <vector>

#include "net/checksum.h"

namespace flannel::icmp_test {
namespace {

using Message = std::vector<std::uint8_t>;
using Kind = IcmpError::Kind;

class IcmpErrorTest : public testing::TestWithParam<Family> {
 protected:
  struct Offender {
    IpAddress source;
    IpAddress destination;
    std::uint8_t protocol = kProtocolUdp;
  };

  static bool is_v4() { return GetParam() == Family::v4; }
  static IpAddress address(const char* v4, const char* v6) {
    return *IpAddress::parse(is_v4() ? v4 : v6);
  }
  static std::size_t ip_length() { return is_v4() ? 20 : 40; }
  static std::uint8_t icmp() { return is_v4() ? kProtocolIcmp : kProtocolIcmp6; }

  static Message packet(const Offender& ip, const Message& payload) {
    Message bytes(ip_length());
    if (is_v4()) {
      Ip4Header{.total_length = static_cast<std::uint16_t>(20 + payload.size()),
                .protocol = ip.protocol,
                .source = ip.source,
                .destination = ip.destination}
          .write(bytes);
    } else {
      Ip6Header{.payload_length = static_cast<std::uint16_t>(payload.size()),
                .next_header = ip.protocol,
                .source = ip.source,
                .destination = ip.destination}
          .write(bytes);
    }
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    return bytes;
  }
  std::optional<IcmpErrorPacket> answer(Kind kind, const Message& offender) {
    return make_icmp_error({kind, 1400}, tunnel_, 8, offender);
  }
  bool is_answered(const Offender& ip, const Message& payload = Message(8),
                   Kind kind = Kind::net_unreachable) {
    return answer(kind, packet(ip, payload)).has_value();
  }
  // ICMPv6 covers a pseudo header.
  bool has_right_checksum(ByteView bytes) const {
    const ByteView message = bytes.subspan(ip_length());
    const std::uint16_t pseudo =
        is_v4() ? 0
                : pseudo_header_sum(tunnel_, udp_.source, kProtocolIcmp6,
                                    static_cast<std::uint16_t>(message.size()));
    return add_sums(pseudo, ones_sum(message)) == 0xffff;
  }

  IpAddress tunnel_ = address("10.5.1.0", "fd00:12:0:1::");
  Offender udp_{address("10.5.1.2", "fd00:12:0:1::2"), address("10.5.9.9", "fd00:12:0:9::9")};
};

INSTANTIATE_TEST_SUITE_P(Of, IcmpErrorTest, testing::Values(Family::v4, Family::v6),
                         [](const auto& family) { return std::string(to_string(family.param)); });

TEST_P(IcmpErrorTest, GoesFromTheTunnelToTheSource) {
  const Message offender = packet(udp_, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  const auto error = answer(Kind::net_unreachable, offender);
  ASSERT_TRUE(error);
  const ByteView bytes = error->view();
  const auto ip = IpHeader::parse(bytes);
  ASSERT_TRUE(ip);
  EXPECT_TRUE(has_valid_header_checksum(*ip, bytes));
  EXPECT_EQ(ip->total_length, bytes.size());
  EXPECT_EQ(ip->source, tunnel_);
  EXPECT_EQ(ip->destination, udp_.source);
  EXPECT_EQ(ip->hop_limit, 8);
  EXPECT_EQ(ip->protocol, icmp());
  EXPECT_TRUE(has_right_checksum(bytes));
}

TEST_P(IcmpErrorTest, HasTheTypeAndCodeOfItsRfc) {
  const auto type_and_code = [&](Kind kind) {
    Message offender = packet(udp_, Message(8));
    if (is_v4()) offender[6] = 0x40;
    const auto error = answer(kind, offender);
    EXPECT_TRUE(error);
    EXPECT_TRUE(has_right_checksum(error->view()));
    return error ? load_be16(error->view(), ip_length()) : 0;
  };
  EXPECT_EQ(type_and_code(Kind::net_unreachable), is_v4() ? 0x0300 : 0x0100);
  EXPECT_EQ(type_and_code(Kind::time_exceeded), is_v4() ? 0x0b00 : 0x0300);
  EXPECT_EQ(type_and_code(Kind::packet_too_big), is_v4() ? 0x0304 : 0x0200);
}

TEST_P(IcmpErrorTest, TooBigNamesTheMtu) {
  Message offender = packet(udp_, Message(1500));
  EXPECT_EQ(answer(Kind::packet_too_big, offender).has_value(), !is_v4())
      << "an IPv4 packet that may be fragmented";
  if (is_v4()) offender[6] = 0x40;
  const auto error = answer(Kind::packet_too_big, offender);
  ASSERT_TRUE(error);
  EXPECT_EQ(load_be32(error->view(), ip_length() + 4), 1400u);
}

TEST_P(IcmpErrorTest, QuotesAsMuchAsItsRfcSays) {
  const Message offender = packet(udp_, Message(3000, 'x'));
  const auto error = answer(Kind::net_unreachable, offender);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->size, is_v4() ? 20u + 8 + 20 + 8 : 1280u);
  const ByteView quoted = error->view().subspan(ip_length() + 8);
  EXPECT_TRUE(std::equal(quoted.begin(), quoted.end(), offender.begin()));
}

TEST_P(IcmpErrorTest, QuotesNoMoreThanThereIs) {
  const auto error = answer(Kind::time_exceeded, packet(udp_, {1, 2, 3}));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->size, 2 * ip_length() + 8 + 3);
  EXPECT_TRUE(has_right_checksum(error->view()));
}

TEST_P(IcmpErrorTest, NeverAnswersAnError) {
  Offender error = udp_;
  error.protocol = icmp();
  const Message types = is_v4() ? Message{3, 4, 5, 11, 12} : Message{1, 2, 3, 4, 100, 127, 137};
  for (const std::uint8_t type : types) {
    EXPECT_FALSE(is_answered(error, {type, 0, 0, 0, 0, 0, 0, 0})) << int{type};
    EXPECT_FALSE(is_answered(error, {type, 0, 0, 0, 0, 0, 0, 0}, Kind::packet_too_big));
  }
  EXPECT_FALSE(is_answered(error, {})) << "no type at all";
  const std::uint8_t echo = is_v4() ? 8 : 128;
  EXPECT_TRUE(is_answered(error, {echo, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(is_answered(error, {200, 0, 0, 0, 0, 0, 0, 0}), !is_v4()) << "an unknown type";
}

TEST_P(IcmpErrorTest, IsSentToOneHostAboutOneHost) {
  EXPECT_TRUE(is_answered(udp_));
  const std::vector<const char*> not_one =
      is_v4() ? std::vector<const char*>{"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255",
                                         "240.0.0.1"}
              : std::vector<const char*>{"::", "::1", "ff02::1", "ff0e::1"};
  for (const char* text : not_one) {
    Offender ip = udp_;
    ip.source = *IpAddress::parse(text);
    EXPECT_FALSE(is_answered(ip)) << text;
  }
  Offender to_many = udp_;
  to_many.destination = address("224.0.0.251", "ff0e::fb");
  EXPECT_FALSE(is_answered(to_many));
  EXPECT_FALSE(is_answered(to_many, Message(8), Kind::time_exceeded));
  EXPECT_EQ(is_answered(to_many, Message(8), Kind::packet_too_big), !is_v4())
      << "path MTU discovery of IPv6 multicast";
}

TEST(Icmp4Error, IsNotSentAboutABroadcast) {
  Message bytes(28);
  Ip4Header{.total_length = 28,
            .protocol = kProtocolUdp,
            .source = IpAddress::v4(10, 5, 1, 2),
            .destination = IpAddress::v4(255, 255, 255, 255)}
      .write(bytes);
  EXPECT_FALSE(make_icmp_error({}, IpAddress::v4(10, 5, 1, 0), 8, bytes));
}

TEST(Icmp4Error, QuotesOptionsInFull) {
  Message bytes(80);
  Ip4Header{.total_length = 80,
            .protocol = kProtocolUdp,
            .source = IpAddress::v4(10, 5, 1, 2),
            .destination = IpAddress::v4(10, 5, 9, 9)}
      .write(bytes);
  bytes[0] = 0x4f;  // the first 40 bytes of the payload are options now
  const auto error = make_icmp_error({}, IpAddress::v4(10, 5, 1, 0), 8, bytes);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->size, 20u + 8 + 60 + 8);
}

TEST_P(IcmpErrorTest, AnswersOnlyTheFirstFragment) {
  for (const bool is_first : {true, false}) {
    Message offender = packet(udp_, Message(24));
    if (is_v4()) {
      store_be16(offender, 6, is_first ? 0x2000 : 0x2001);
    } else {
      offender[6] = kProtocolFragment;
      offender[40] = kProtocolUdp;
      store_be16(offender, 42, is_first ? 0x0001 : 0x0009);
    }
    EXPECT_EQ(answer(Kind::time_exceeded, offender).has_value(), is_first);
  }
}

TEST(Icmp6Error, NeverAnswersWhatMightHideAnError) {
  Message bytes(56);
  Ip6Header{.payload_length = 16,
            .next_header = kProtocolDestinationOptions,
            .source = *IpAddress::parse("fd00:12:0:1::2"),
            .destination = *IpAddress::parse("fd00:12:0:9::9")}
      .write(bytes);
  bytes[40] = kProtocolIcmp6;
  bytes[48] = 128;
  const IpAddress tunnel = *IpAddress::parse("fd00:12:0:1::");
  EXPECT_TRUE(make_icmp_error({}, tunnel, 8, bytes));
  bytes[48] = 1;
  EXPECT_FALSE(make_icmp_error({}, tunnel, 8, bytes)) << "an error behind options";
  bytes[48] = 128;
  bytes[41] = 2;
  EXPECT_FALSE(make_icmp_error({}, tunnel, 8, bytes)) << "options longer than the packet";
}

}  // namespace
}  // namespace flannel::icmp_test
