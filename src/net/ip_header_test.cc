// SPDX-License-Identifier: Apache-2.0
#include "net/ip_header.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "net/checksum.h"
#include "net/transport_header.h"

namespace flannel::ip_header_test {
namespace {

using Octets = std::vector<std::uint8_t>;

const IpAddress kFrom = *IpAddress::parse("fd00:12:0:1::2");
const IpAddress kTo = *IpAddress::parse("fd00:12:0:2::3");

// A packet with `body` behind the fixed header.
Octets packet6(std::uint8_t next, const Octets& body, const IpAddress& source = kFrom,
               const IpAddress& destination = kTo) {
  Octets bytes(kIp6HeaderLength);
  Ip6Header{.payload_length = static_cast<std::uint16_t>(body.size()),
            .next_header = next,
            .source = source,
            .destination = destination}
      .write(bytes);
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

// Extension headers one behind the other; `next` follows the last.
Octets chain(const std::vector<Octets>& headers, std::uint8_t next) {
  Octets body;
  for (const Octets& header : headers)
    body.insert(body.end(), header.begin(), header.end());
  body.insert(body.end(), 8, next);
  return body;
}

TEST(Ip6Header, IsReadBackAsWritten) {
  const Ip6Header header{.traffic_class = 0xb9,
                         .flow_label = 0xfedcb,
                         .payload_length = 1452,
                         .next_header = kProtocolTcp,
                         .hop_limit = 61,
                         .source = kFrom,
                         .destination = kTo};
  Octets bytes(kIp6HeaderLength);
  header.write(bytes);
  EXPECT_EQ(Ip6Header::parse(bytes), header);
  EXPECT_FALSE(Ip6Header::parse(ByteView{bytes}.first(39)));
  bytes[0] = 0x4b;
  EXPECT_FALSE(Ip6Header::parse(bytes)) << "version 4";
}

TEST(Ip6Header, HasItsFieldsWhereRfc8200HasThem) {
  const Octets bytes = packet6(kProtocolUdp, Octets(8));
  EXPECT_EQ(Octets(bytes.begin(), bytes.begin() + 8), (Octets{0x60, 0, 0, 0, 0, 8, 17, 64}));
  EXPECT_EQ(bytes[8], 0xfd);
  EXPECT_EQ(bytes[23], 2);
  EXPECT_EQ(bytes[39], 3);
}

struct Walk {
  const char* name;
  std::uint8_t first;
  std::vector<Octets> headers;  // the last one names 6, TCP
  std::size_t transport_at;
  std::uint8_t protocol;
  bool is_fragment;
  bool has_transport;
};

const Octets kPad{0, 0, 1, 4, 0, 0, 0, 0};

Octets naming(std::uint8_t next, Octets header = kPad) {
  header[0] = next;
  return header;
}

class ExtensionHeaders : public testing::TestWithParam<Walk> {};

TEST_P(ExtensionHeaders, LeadToTheTransport) {
  const Walk& walk = GetParam();
  const Octets bytes = packet6(walk.first, chain(walk.headers, 0xee));
  const auto ip = IpHeader::parse(bytes);
  ASSERT_TRUE(ip);
  EXPECT_EQ(ip->header_length, walk.transport_at);
  EXPECT_EQ(ip->protocol, walk.protocol);
  EXPECT_EQ(ip->is_fragment, walk.is_fragment);
  EXPECT_EQ(ip->has_transport, walk.has_transport);
  EXPECT_EQ(ip->total_length, bytes.size());
  EXPECT_EQ(ip->is_plain(), walk.transport_at == 40);
}

INSTANTIATE_TEST_SUITE_P(
    Walk, ExtensionHeaders,
    testing::Values(
        Walk{"none", 6, {}, 40, 6, false, true},
        Walk{"unknown", 253, {}, 40, 253, false, true},
        Walk{"no_next_header", 59, {}, 40, 59, false, true},
        Walk{"hop_by_hop", 0, {naming(6)}, 48, 6, false, true},
        Walk{"hop_by_hop_jumbo", 0, {naming(6, {0, 0, 0xc2, 4, 0, 1, 0, 0})}, 48, 6, false, true},
        Walk{"longer", 60, {naming(6, [] {
               Octets header(24);
               header[1] = 2;
               return header;
             }())},
             64, 6, false, true},
        Walk{"all_that_rfc8200_names",
             0,
             {naming(60), naming(43), naming(44, {0, 0, 253, 0, 0, 0, 0, 0}),
              naming(60, {0, 0xff, 0, 0, 0, 0, 0, 1}), naming(6)},
             80, 6, false, true},
        Walk{"first_fragment", 44, {naming(6, {0, 0, 0, 1, 0, 0, 0, 7})}, 48, 6, true, true},
        Walk{"later_fragment", 44, {naming(60, {0, 0, 0, 8, 0, 0, 0, 7})}, 48, 60, true, false},
        Walk{"middle_fragment", 44, {naming(6, {0, 0, 5, 0x99, 0, 0, 0, 7})}, 48, 6, true, false},
        Walk{"too_long", 0, {naming(6, {0, 3, 1, 4, 0, 0, 0, 0})}, 40, 0, false, false},
        Walk{"too_many", 60, std::vector<Octets>(9, naming(60)), 104, 60, false, false},
        Walk{"just_enough", 60,
             [] {
               std::vector<Octets> headers(8, naming(60));
               headers.back()[0] = 6;
               return headers;
             }(),
             104, 6, false, true}),
    [](const auto& walk) { return walk.param.name; });

TEST(ExtensionHeaders, ThatAreCutOffLeadNowhere) {
  const Octets whole = packet6(0, chain({naming(44), naming(6, Octets(8))}, 0xee));
  for (std::size_t size = kIp6HeaderLength; size <= whole.size(); ++size) {
    const auto ip = IpHeader::parse(ByteView{whole}.first(size));
    ASSERT_TRUE(ip);
    EXPECT_LE(ip->header_length, size);
    EXPECT_EQ(ip->has_transport, size >= 56) << size;
  }
}

TEST(IpHeader, OfIpv4IsThatOfItsCodec) {
  Octets bytes(64);
  const Ip4Header ip4{.total_length = 64,
                      .id = 0x1234,
                      .more_fragments = true,
                      .fragment_offset = 8,
                      .ttl = 7,
                      .protocol = kProtocolUdp,
                      .source = IpAddress::v4(10, 5, 1, 2),
                      .destination = IpAddress::v4(10, 5, 2, 3)};
  ip4.write(bytes);
  const auto ip = IpHeader::parse(bytes);
  ASSERT_TRUE(ip);
  EXPECT_EQ(ip->family(), Family::v4);
  EXPECT_EQ(ip->source, ip4.source);
  EXPECT_EQ(ip->destination, ip4.destination);
  EXPECT_EQ(ip->total_length, 64u);
  EXPECT_EQ(ip->header_length, 20u);
  EXPECT_EQ(ip->protocol, kProtocolUdp);
  EXPECT_EQ(ip->hop_limit, 7);
  EXPECT_EQ(ip->id, 0x1234);
  EXPECT_TRUE(ip->is_fragment);
  EXPECT_FALSE(ip->has_transport);
  EXPECT_TRUE(ip->is_plain());
  bytes[0] = 0x46;
  EXPECT_FALSE(IpHeader::parse(bytes)->is_plain());
}

TEST(IpHeader, OfAnotherVersionIsNone) {
  EXPECT_FALSE(IpHeader::parse({}));
  Octets bytes(64);
  for (unsigned version = 0; version < 16; ++version) {
    bytes[0] = static_cast<std::uint8_t>(version * 16 + 5);
    EXPECT_EQ(IpHeader::parse(bytes).has_value(), version == 4 || version == 6) << version;
  }
}

TEST(IpHeader, LosesOneHop) {
  Octets bytes = packet6(kProtocolUdp, Octets(8, 1));
  const Octets before = bytes;
  decrement_hop_limit(bytes);
  EXPECT_EQ(bytes[7], 63);
  bytes[7] = 64;
  EXPECT_EQ(bytes, before) << "nothing else changes";
}

TEST(IpHeader, IsRewrittenForAnotherLength) {
  Octets bytes = packet6(kProtocolUdp, Octets(8, 1));
  rewrite_ip_header(ByteSpan{bytes}.first(40), 1340, 7);
  EXPECT_EQ(IpHeader::parse(bytes)->total_length, 1340u);
  EXPECT_EQ(Ip6Header::parse(bytes)->source, kFrom);
}

TEST(PseudoHeader, IsThatOfRfc8200) {
  std::mt19937 random(4);
  for (int round = 0; round < 200; ++round) {
    // Both addresses, the length in 32 bits, three zeros, the protocol.
    Octets bytes(40);
    for (auto& byte : bytes)
      byte = static_cast<std::uint8_t>(random());
    store_be32(bytes, 32, static_cast<std::uint16_t>(random()));
    store_be32(bytes, 36, random() % 256);
    const auto address = [&](std::size_t at) {
      return *IpAddress::from_bytes(ByteView{bytes}.subspan(at, 16));
    };
    EXPECT_EQ(pseudo_header_sum(address(0), address(16), bytes[39], load_be16(bytes, 34)),
              ones_sum(bytes));
  }
}

TEST(PseudoHeader, OfIpv6IsCoveredByTransportChecksums) {
  Octets datagram{0x9c, 0x40, 0x00, 0x35, 0x00, 0x0b, 0x00, 0x00, 'a', 'b', 'c'};
  const auto ip = IpHeader::parse(packet6(kProtocolUdp, datagram));
  EXPECT_FALSE(has_valid_transport_checksum(*ip, datagram)) << "none computed";
  // By hand: pseudo fd00+0012+0001+0002 + fd00+0012+0002+0003 + 000b+0011 = 1fa48, folded fa49;
  // datagram as for IPv4, 160e2.
  store_be16(datagram, kUdpChecksumAt, static_cast<std::uint16_t>(~(0xfa49 + 0x60e2 + 1 + 1)));
  EXPECT_TRUE(has_valid_transport_checksum(*ip, datagram));
  datagram.back() ^= 1;
  EXPECT_FALSE(has_valid_transport_checksum(*ip, datagram));
}

bool stays(const Octets& bytes) {
  return stays_on_link(*IpHeader::parse(bytes), bytes);
}

TEST(StaysOnLink, WhatIsForOrFromALinkOrMany) {
  EXPECT_FALSE(stays(packet6(kProtocolUdp, Octets(8))));
  for (const char* local : {"::", "::1", "fe80::1", "febf::1", "ff02::2", "ff0e::1"}) {
    const IpAddress ip = *IpAddress::parse(local);
    EXPECT_TRUE(stays(packet6(kProtocolUdp, Octets(8), kFrom, ip))) << "to " << local;
    EXPECT_TRUE(stays(packet6(kProtocolUdp, Octets(8), ip, kTo))) << "from " << local;
  }
  Octets bytes(28);
  for (const IpAddress local : {IpAddress::v4(224, 0, 0, 1), IpAddress::v4(169, 254, 1, 1)}) {
    Ip4Header{.source = IpAddress::v4(10, 5, 1, 2), .destination = local}.write(bytes);
    EXPECT_TRUE(stays(bytes)) << to_string(local);
  }
}

TEST(StaysOnLink, NeighbourDiscoveryToAnyAddress) {
  for (unsigned type = 0; type < 256; ++type) {
    const bool is_of_link = (type >= 130 && type <= 137) || type == 143;
    const Octets message{static_cast<std::uint8_t>(type), 0, 0, 0, 0, 0, 0, 0};
    EXPECT_EQ(stays(packet6(kProtocolIcmp6, message)), is_of_link) << type;
    EXPECT_FALSE(stays(packet6(kProtocolIcmp, message))) << "IPv4's ICMP";
    Octets hidden = naming(kProtocolIcmp6);
    hidden.insert(hidden.end(), message.begin(), message.end());
    EXPECT_EQ(stays(packet6(kProtocolHopByHop, hidden)), is_of_link) << type;
  }
  EXPECT_FALSE(stays(packet6(kProtocolIcmp6, {}))) << "no type at all";
}

}  // namespace
}  // namespace flannel::ip_header_test
