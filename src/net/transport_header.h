// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "net/bytes.h"
#include "net/ip_header.h"

namespace flannel {

inline constexpr std::size_t kTcpHeaderMin = 20;
inline constexpr std::size_t kUdpHeaderLength = 8;

// Offsets of the checksum in the header.
inline constexpr std::size_t kTcpChecksumAt = 16;
inline constexpr std::size_t kUdpChecksumAt = 6;

// A TCP header (RFC 9293) as values. Options are not decoded, but `header_length` includes them.
struct TcpHeader {
  static constexpr std::uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPsh = 0x08, kAck = 0x10,
                                kUrg = 0x20, kEce = 0x40, kCwr = 0x80;

  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgement = 0;
  std::uint8_t header_length = kTcpHeaderMin;  // bytes
  std::uint8_t flags = 0;
  std::uint16_t window = 0;
  std::uint16_t checksum = 0;
  std::uint16_t urgent = 0;

  // The header at the start of `segment` (the IP payload); nullopt if the header, with its options,
  // does not fit.
  static std::optional<TcpHeader> parse(ByteView segment);

  // Writes 20 bytes without options, and `checksum` as it is.
  void write(ByteSpan into) const;
  // Changes the fields that differ between the segments of one send.
  static void rewrite(ByteSpan header, std::uint32_t sequence, std::uint8_t flags);

  bool operator==(const TcpHeader&) const = default;
};

struct UdpHeader {
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint16_t length = 0;    // header and payload, as in the header, unchecked
  std::uint16_t checksum = 0;  // 0: none was computed

  static std::optional<UdpHeader> parse(ByteView datagram);
  void write(ByteSpan into) const;

  bool operator==(const UdpHeader&) const = default;
};

// True if the checksum of a whole TCP segment or UDP datagram with the IP header `ip`, which has no
// routing header, is valid. A UDP checksum of 0 (none) is not valid.
bool has_valid_transport_checksum(const IpHeader& ip, ByteView segment);

}  // namespace flannel
