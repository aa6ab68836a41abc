// SPDX-License-Identifier: Apache-2.0
// Builds, checks and cuts packets byte by byte, as the RFCs describe it and without any code of
// src/. The fast code of the packet path is compared with it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/ports.h"

namespace flannel::slow {

using Bytes = std::vector<std::uint8_t>;

inline void put16(Bytes& bytes, std::size_t at, unsigned value) {
  bytes.at(at) = static_cast<std::uint8_t>(value >> 8);
  bytes.at(at + 1) = static_cast<std::uint8_t>(value);
}
inline void put32(Bytes& bytes, std::size_t at, std::uint32_t value) {
  put16(bytes, at, value >> 16);
  put16(bytes, at + 2, value & 0xffff);
}
inline unsigned get16(const Bytes& bytes, std::size_t at) {
  return bytes.at(at) * 256u + bytes.at(at + 1);
}
inline std::uint32_t get32(const Bytes& bytes, std::size_t at) {
  return get16(bytes, at) * 65536u + get16(bytes, at + 2);
}

// Computes the checksum of RFC 1071 byte by byte.
inline unsigned sum(const Bytes& bytes, std::size_t from, std::size_t to, unsigned start = 0) {
  std::uint64_t total = start;
  for (std::size_t i = from; i < to; ++i) {
    total += (i - from) % 2 == 0 ? bytes.at(i) * 256u : bytes.at(i);
  }
  while (total > 0xffff)
    total = total / 65536 + total % 65536;
  return static_cast<unsigned>(total);
}

inline bool is_v6(const Bytes& packet) {
  return packet.at(0) / 16 == 6;
}

// Where the transport header begins, and its protocol. Throws if the headers do not fit.
struct Transport {
  std::size_t at;
  unsigned protocol;
};
inline Transport transport_of(const Bytes& packet) {
  if (!is_v6(packet)) return {packet.at(0) % 16 * 4u, packet.at(9)};
  Transport found{40, packet.at(6)};
  while (found.protocol == 0 || found.protocol == 43 || found.protocol == 44 ||
         found.protocol == 60) {
    const std::size_t units = found.protocol == 44 ? 0 : packet.at(found.at + 1);
    found.protocol = packet.at(found.at);
    found.at += 8 * (units + 1);
  }
  return found;
}
inline std::size_t ip_length(const Bytes& packet) {
  return transport_of(packet).at;
}
inline unsigned protocol(const Bytes& packet) {
  return transport_of(packet).protocol;
}
inline unsigned hop_limit(const Bytes& packet) {
  return packet.at(is_v6(packet) ? 7 : 8);
}

inline unsigned pseudo_sum(const Bytes& packet) {
  const auto [at, protocol] = transport_of(packet);
  const auto length = static_cast<unsigned>(packet.size() - at);
  return sum(packet, is_v6(packet) ? 8 : 12, is_v6(packet) ? 40 : 20, protocol + length);
}

inline std::size_t checksum_at(const Bytes& packet) {
  return ip_length(packet) + (protocol(packet) == 6 ? 16 : 6);
}

// Sets the length of a packet, and the IPv4 header's checksum.
inline void finish_ip(Bytes& packet) {
  if (is_v6(packet)) return put16(packet, 4, static_cast<unsigned>(packet.size() - 40));
  put16(packet, 2, static_cast<unsigned>(packet.size()));
  put16(packet, 10, 0);
  put16(packet, 10, 0xffff - sum(packet, 0, ip_length(packet)));
}

// Sets the lengths and checksums of a packet whose other fields are set.
inline void finish(Bytes& packet) {
  finish_ip(packet);
  const auto [at, protocol] = transport_of(packet);
  const bool is_udp = protocol == 17;
  if (!is_udp && protocol != 6) return;
  if (is_udp) put16(packet, at + 4, static_cast<unsigned>(packet.size() - at));
  put16(packet, checksum_at(packet), 0);
  unsigned checksum = 0xffff - sum(packet, at, packet.size(), pseudo_sum(packet));
  if (is_udp && checksum == 0) checksum = 0xffff;
  put16(packet, checksum_at(packet), checksum);
}

inline bool has_right_checksums(const Bytes& packet) {
  const auto [at, protocol] = transport_of(packet);
  if (!is_v6(packet) && sum(packet, 0, at) != 0xffff) return false;
  if (protocol == 58) return sum(packet, at, packet.size(), pseudo_sum(packet)) == 0xffff;
  if (protocol != 6 && protocol != 17) return true;
  return sum(packet, at, packet.size(), pseudo_sum(packet)) == 0xffff;
}

inline Bytes with_ttl(Bytes packet, unsigned ttl) {
  packet.at(is_v6(packet) ? 7 : 8) = static_cast<std::uint8_t>(ttl);
  finish_ip(packet);
  return packet;
}

// The address that both families have for a number: 10.5.1.2 and fd00:a05:0:1::2.
inline IpAddress address(std::uint32_t number, bool v6) {
  if (!v6) return IpAddress::v4(number);
  std::array<std::uint8_t, 16> bytes{0xfd, 0, static_cast<std::uint8_t>(number >> 24),
                                     static_cast<std::uint8_t>(number >> 16)};
  bytes[7] = static_cast<std::uint8_t>(number >> 8);
  bytes[15] = static_cast<std::uint8_t>(number);
  return IpAddress::v6(bytes);
}
// 10.5.1.0/24 and fd00:a05:0:1::/64; a /16 is a /48.
inline IpPrefix network(std::uint32_t number, bool v6, std::uint8_t bits = 24) {
  return IpPrefix::of(address(number, v6), v6 ? static_cast<std::uint8_t>(bits * 2 + 16) : bits);
}
// The source (0) or destination (1) of a packet.
inline IpAddress address_in(const Bytes& packet, std::size_t which) {
  const std::size_t size = is_v6(packet) ? 16 : 4;
  const std::size_t at = (is_v6(packet) ? 8 : 12) + which * size;
  return *IpAddress::from_bytes(ByteView{packet}.subspan(at, size));
}

struct Fields {
  bool v6 = false;
  std::uint32_t source = 0x0a050102;       // 10.5.1.2, fd00:a05:0:1::2
  std::uint32_t destination = 0x0a050203;  // 10.5.2.3, fd00:a05:0:2::3
  unsigned source_port = 40000;
  unsigned destination_port = 5201;
  unsigned id = 1;
  unsigned ttl = 64;
  unsigned tos = 0;
  bool dont_fragment = true;
  std::uint32_t sequence = 1000;
  std::uint32_t acknowledgement = 5000;
  unsigned window = 512;
  unsigned flags = 0x10;          // ACK
  Bytes ip_options = {};          // IPv4, a multiple of 4
  unsigned flow_label = 0x12345;  // IPv6
  // IPv6 extension headers of 8 bytes: 0, 43, 44 or 60; `fragment` is offset and M bit of 44.
  std::vector<unsigned> extensions = {};
  unsigned fragment = 0;
  Bytes tcp_options = {};  // a multiple of 4
};

inline Bytes ip6_packet(const Fields& f, unsigned protocol, const Bytes& payload) {
  Bytes packet(40);
  put32(packet, 0, 0x60000000u + f.tos * 0x100000u + f.flow_label);
  put16(packet, 4, static_cast<unsigned>(8 * f.extensions.size() + payload.size()));
  packet[7] = static_cast<std::uint8_t>(f.ttl);
  std::ranges::copy(address(f.source, true).bytes, packet.begin() + 8);
  std::ranges::copy(address(f.destination, true).bytes, packet.begin() + 24);
  std::size_t next_at = 6;
  for (const unsigned extension : f.extensions) {
    packet.at(next_at) = static_cast<std::uint8_t>(extension);
    next_at = packet.size();
    Bytes header{0, 0, 1, 4, 0, 0, 0, 0};  // a pad option
    if (extension == 43) header = {0, 0, 253, 0, 0, 0, 0, 0};
    if (extension == 44) {
      header = {0, 0, 0, 0, 0xab, 0xcd, 0, 0};
      put16(header, 2, f.fragment);
      put16(header, 6, f.id);
    }
    packet.insert(packet.end(), header.begin(), header.end());
  }
  packet.at(next_at) = static_cast<std::uint8_t>(protocol);
  packet.insert(packet.end(), payload.begin(), payload.end());
  return packet;
}

inline Bytes ip_packet(const Fields& f, unsigned protocol, const Bytes& payload) {
  if (f.v6) return ip6_packet(f, protocol, payload);
  Bytes packet(20);
  packet[0] = static_cast<std::uint8_t>(0x45 + f.ip_options.size() / 4);
  packet[1] = static_cast<std::uint8_t>(f.tos);
  put16(packet, 4, f.id);
  packet[6] = f.dont_fragment ? 0x40 : 0;
  packet[8] = static_cast<std::uint8_t>(f.ttl);
  packet[9] = static_cast<std::uint8_t>(protocol);
  put32(packet, 12, f.source);
  put32(packet, 16, f.destination);
  packet.insert(packet.end(), f.ip_options.begin(), f.ip_options.end());
  packet.insert(packet.end(), payload.begin(), payload.end());
  return packet;
}

inline Bytes tcp_packet(const Fields& f, const Bytes& payload) {
  Bytes tcp(20);
  put16(tcp, 0, f.source_port);
  put16(tcp, 2, f.destination_port);
  put32(tcp, 4, f.sequence);
  put32(tcp, 8, f.acknowledgement);
  tcp[12] = static_cast<std::uint8_t>((5 + f.tcp_options.size() / 4) * 16);
  tcp[13] = static_cast<std::uint8_t>(f.flags);
  put16(tcp, 14, f.window);
  tcp.insert(tcp.end(), f.tcp_options.begin(), f.tcp_options.end());
  tcp.insert(tcp.end(), payload.begin(), payload.end());
  Bytes packet = ip_packet(f, 6, tcp);
  finish(packet);
  return packet;
}

inline Bytes udp_packet(const Fields& f, const Bytes& payload) {
  Bytes udp(8);
  put16(udp, 0, f.source_port);
  put16(udp, 2, f.destination_port);
  udp.insert(udp.end(), payload.begin(), payload.end());
  Bytes packet = ip_packet(f, 17, udp);
  finish(packet);
  return packet;
}

// Turns a complete packet into one that a TUN device returns with offload: uncut or without
// checksum.
inline Offload leave_undone(Bytes& packet, Offload::Cut cut, std::size_t segment_size) {
  put16(packet, checksum_at(packet), pseudo_sum(packet));
  Offload offload{.checksum_unfinished = true,
                  .checksum_start = static_cast<std::uint16_t>(ip_length(packet)),
                  .checksum_offset = static_cast<std::uint16_t>(protocol(packet) == 6 ? 16 : 6),
                  .cut = cut};
  if (cut != Offload::Cut::none) offload.segment_size = static_cast<std::uint16_t>(segment_size);
  return offload;
}

// Cuts a super-packet as a network card does.
inline std::vector<Bytes> cut(const Bytes& packet, const Offload& offload) {
  if (offload.cut == Offload::Cut::none) {
    Bytes whole = packet;
    if (offload.checksum_unfinished) {
      const std::size_t at = offload.checksum_start + std::size_t{offload.checksum_offset};
      const unsigned checksum = 0xffff - sum(whole, offload.checksum_start, whole.size());
      put16(whole, at, checksum == 0 ? 0xffff : checksum);
    }
    return {whole};
  }
  const std::size_t transport = ip_length(packet);
  const bool is_tcp = offload.cut == Offload::Cut::tcp;
  const std::size_t header = transport + (is_tcp ? packet.at(transport + 12) / 16 * 4u : 8u);
  std::vector<Bytes> parts;
  std::size_t at = header;
  do {
    const std::size_t end = std::min(packet.size(), at + offload.segment_size);
    Bytes part(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(header));
    part.insert(part.end(), packet.begin() + static_cast<std::ptrdiff_t>(at),
                packet.begin() + static_cast<std::ptrdiff_t>(end));
    if (!is_v6(part))
      put16(part, 4, (get16(packet, 4) + static_cast<unsigned>(parts.size())) % 65536);
    if (is_tcp) {
      put32(part, transport + 4,
            get32(packet, transport + 4) + static_cast<std::uint32_t>(at - header));
      unsigned flags = packet.at(transport + 13);
      if (!parts.empty()) flags &= ~0x80u;       // CWR on the first only
      if (end < packet.size()) flags &= ~0x09u;  // FIN and PSH on the last only
      part.at(transport + 13) = static_cast<std::uint8_t>(flags);
    }
    finish(part);
    parts.push_back(part);
    at = end;
  } while (at < packet.size());
  return parts;
}

}  // namespace flannel::slow
