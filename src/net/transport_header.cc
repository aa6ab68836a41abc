// SPDX-License-Identifier: Apache-2.0
#include "net/transport_header.h"

#include "net/checksum.h"

namespace flannel {
namespace {

constexpr std::size_t kSourcePortAt = 0;
constexpr std::size_t kDestinationPortAt = 2;
constexpr std::size_t kSequenceAt = 4;
constexpr std::size_t kAcknowledgementAt = 8;
constexpr std::size_t kDataOffsetAt = 12;
constexpr std::size_t kFlagsAt = 13;
constexpr std::size_t kWindowAt = 14;
constexpr std::size_t kUrgentAt = 18;
constexpr std::size_t kUdpLengthAt = 4;

}  // namespace

std::optional<TcpHeader> TcpHeader::parse(ByteView segment) {
  if (segment.size() < kTcpHeaderMin) return std::nullopt;
  const std::size_t length = std::size_t{segment[kDataOffsetAt]} / 16 * 4;
  if (length < kTcpHeaderMin || length > segment.size()) return std::nullopt;
  return TcpHeader{
      .source_port = load_be16(segment, kSourcePortAt),
      .destination_port = load_be16(segment, kDestinationPortAt),
      .sequence = load_be32(segment, kSequenceAt),
      .acknowledgement = load_be32(segment, kAcknowledgementAt),
      .header_length = static_cast<std::uint8_t>(length),
      .flags = segment[kFlagsAt],
      .window = load_be16(segment, kWindowAt),
      .checksum = load_be16(segment, kTcpChecksumAt),
      .urgent = load_be16(segment, kUrgentAt),
  };
}

void TcpHeader::write(ByteSpan into) const {
  const ByteSpan header = into.first(kTcpHeaderMin);
  store_be16(header, kSourcePortAt, source_port);
  store_be16(header, kDestinationPortAt, destination_port);
  store_be32(header, kAcknowledgementAt, acknowledgement);
  header[kDataOffsetAt] = kTcpHeaderMin / 4 << 4;
  store_be16(header, kWindowAt, window);
  store_be16(header, kTcpChecksumAt, checksum);
  store_be16(header, kUrgentAt, urgent);
  rewrite(header, sequence, flags);
}

void TcpHeader::rewrite(ByteSpan header, std::uint32_t sequence, std::uint8_t flags) {
  store_be32(header, kSequenceAt, sequence);
  header[kFlagsAt] = flags;
}

std::optional<UdpHeader> UdpHeader::parse(ByteView datagram) {
  if (datagram.size() < kUdpHeaderLength) return std::nullopt;
  return UdpHeader{
      .source_port = load_be16(datagram, kSourcePortAt),
      .destination_port = load_be16(datagram, kDestinationPortAt),
      .length = load_be16(datagram, kUdpLengthAt),
      .checksum = load_be16(datagram, kUdpChecksumAt),
  };
}

void UdpHeader::write(ByteSpan into) const {
  const ByteSpan header = into.first(kUdpHeaderLength);
  store_be16(header, kSourcePortAt, source_port);
  store_be16(header, kDestinationPortAt, destination_port);
  store_be16(header, kUdpLengthAt, length);
  store_be16(header, kUdpChecksumAt, checksum);
}

bool has_valid_transport_checksum(const IpHeader& ip, ByteView segment) {
  if (segment.size() > 0xffff) return false;
  if (ip.protocol == kProtocolUdp &&
      (segment.size() < kUdpHeaderLength || load_be16(segment, kUdpChecksumAt) == 0)) {
    return false;
  }
  const std::uint16_t pseudo = pseudo_header_sum(ip.source, ip.destination, ip.protocol,
                                                 static_cast<std::uint16_t>(segment.size()));
  return add_sums(pseudo, ones_sum(segment)) == 0xffff;
}

}  // namespace flannel
