// SPDX-License-Identifier: Apache-2.0
#include "net/ip6_header.h"

#include <algorithm>

namespace flannel {
namespace {

constexpr std::size_t kNextHeaderAt = 6;
constexpr std::size_t kIp6SourceAt = 8;
constexpr std::size_t kIp6DestinationAt = 24;
constexpr std::size_t kAddressLength = 16;

constexpr std::uint32_t kFlowLabelMask = 0xfffff;
constexpr std::size_t kExtensionUnit = 8;  // extension headers are multiples of it
constexpr std::uint16_t kIp6OffsetMask = 0xfff8;
constexpr std::uint16_t kIp6MoreFragments = 1;

bool is_extension(std::uint8_t protocol) {
  return protocol == kProtocolHopByHop || protocol == kProtocolRouting ||
         protocol == kProtocolFragment || protocol == kProtocolDestinationOptions;
}

}  // namespace

std::optional<Ip6Header> Ip6Header::parse(ByteView packet) {
  if (packet.size() < kIp6HeaderLength || packet[0] >> 4 != 6) return std::nullopt;
  const std::uint32_t first = load_be32(packet, 0);
  Ip6Header header{.traffic_class = static_cast<std::uint8_t>(first >> 20),
                   .flow_label = first & kFlowLabelMask,
                   .payload_length = load_be16(packet, kIp6PayloadLengthAt),
                   .next_header = packet[kNextHeaderAt],
                   .hop_limit = packet[kIp6HopLimitAt]};
  std::copy_n(packet.begin() + kIp6SourceAt, kAddressLength, header.source.bytes.begin());
  std::copy_n(packet.begin() + kIp6DestinationAt, kAddressLength, header.destination.bytes.begin());
  return header;
}

void Ip6Header::write(ByteSpan into) const {
  const ByteSpan header = into.first(kIp6HeaderLength);
  store_be32(
      header, 0,
      std::uint32_t{6} << 28 | std::uint32_t{traffic_class} << 20 | (flow_label & kFlowLabelMask));
  store_be16(header, kIp6PayloadLengthAt, payload_length);
  header[kNextHeaderAt] = next_header;
  header[kIp6HopLimitAt] = hop_limit;
  std::ranges::copy(source.bytes, header.begin() + kIp6SourceAt);
  std::ranges::copy(destination.bytes, header.begin() + kIp6DestinationAt);
}

Ip6Payload walk_extension_headers(const Ip6Header& ip, ByteView packet) {
  Ip6Payload payload{.protocol = ip.next_header};
  for (int n = 0; is_extension(payload.protocol); ++n) {
    const ByteView rest = packet.subspan(payload.offset);
    if (n == kMaxExtensionHeaders || rest.size() < kExtensionUnit) {
      payload.is_reached = false;
      return payload;
    }
    // The second byte of a fragment header is reserved; its length is fixed.
    const bool is_fragment_header = payload.protocol == kProtocolFragment;
    const std::size_t length =
        is_fragment_header ? kExtensionUnit : (rest[1] + 1U) * kExtensionUnit;
    if (length > rest.size()) {
      payload.is_reached = false;
      return payload;
    }
    payload.protocol = rest[0];
    payload.offset += length;
    if (!is_fragment_header) continue;
    const std::uint16_t fragment = load_be16(rest, 2);
    if ((fragment & (kIp6OffsetMask | kIp6MoreFragments)) != 0) payload.is_fragment = true;
    if ((fragment & kIp6OffsetMask) == 0) continue;
    payload.is_reached = false;
    return payload;
  }
  return payload;
}

}  // namespace flannel
