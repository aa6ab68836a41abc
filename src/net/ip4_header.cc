// SPDX-License-Identifier: Apache-2.0
#include "net/ip4_header.h"

#include "net/checksum.h"

namespace flannel {
namespace {

constexpr std::size_t kTotalLengthAt = 2;
constexpr std::size_t kIdAt = 4;
constexpr std::size_t kFragmentAt = 6;
constexpr std::size_t kTtlAt = 8;
constexpr std::size_t kProtocolAt = 9;
constexpr std::size_t kChecksumAt = 10;
constexpr std::size_t kSourceAt = 12;
constexpr std::size_t kDestinationAt = 16;

constexpr std::uint16_t kDontFragment = 0x4000;
constexpr std::uint16_t kMoreFragments = 0x2000;
constexpr std::uint16_t kOffsetMask = 0x1fff;  // in units of 8 bytes

}  // namespace

std::optional<Ip4Header> Ip4Header::parse(ByteView packet) {
  if (packet.size() < kIp4HeaderMin || packet[0] >> 4 != 4) return std::nullopt;
  const std::size_t length = std::size_t{packet[0]} % 16 * 4;
  if (length < kIp4HeaderMin || length > packet.size()) return std::nullopt;
  const std::uint16_t fragment = load_be16(packet, kFragmentAt);
  return Ip4Header{
      .header_length = static_cast<std::uint8_t>(length),
      .tos = packet[1],
      .total_length = load_be16(packet, kTotalLengthAt),
      .id = load_be16(packet, kIdAt),
      .dont_fragment = (fragment & kDontFragment) != 0,
      .more_fragments = (fragment & kMoreFragments) != 0,
      .fragment_offset = static_cast<std::uint16_t>((fragment & kOffsetMask) * 8),
      .ttl = packet[kTtlAt],
      .protocol = packet[kProtocolAt],
      .checksum = load_be16(packet, kChecksumAt),
      .source = IpAddress::v4(load_be32(packet, kSourceAt)),
      .destination = IpAddress::v4(load_be32(packet, kDestinationAt)),
  };
}

void Ip4Header::write(ByteSpan into) const {
  const ByteSpan header = into.first(kIp4HeaderMin);
  header[0] = 0x45;
  header[1] = tos;
  store_be16(
      header, kFragmentAt,
      static_cast<std::uint16_t>((dont_fragment ? kDontFragment : 0) |
                                 (more_fragments ? kMoreFragments : 0) | fragment_offset / 8));
  header[kTtlAt] = ttl;
  header[kProtocolAt] = protocol;
  store_be32(header, kSourceAt, source.v4_value());
  store_be32(header, kDestinationAt, destination.v4_value());
  rewrite_ip4_header(header, total_length, id);
}

bool has_valid_ip4_checksum(ByteView header) {
  return ones_sum(header) == 0xffff;
}

void rewrite_ip4_header(ByteSpan header, std::uint16_t total_length, std::uint16_t id) {
  store_be16(header, kTotalLengthAt, total_length);
  store_be16(header, kIdAt, id);
  store_be16(header, kChecksumAt, 0);
  store_be16(header, kChecksumAt, internet_checksum(header));
}

void decrement_ttl(ByteSpan packet) {
  assert(packet.size() >= kIp4HeaderMin && packet[kTtlAt] > 0);
  const std::uint16_t before = load_be16(packet, kTtlAt);  // the TTL is the word's high half
  --packet[kTtlAt];
  const std::uint16_t after = load_be16(packet, kTtlAt);
  store_be16(packet, kChecksumAt, update_checksum(load_be16(packet, kChecksumAt), before, after));
}

}  // namespace flannel
