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

inline std::size_t ip_length(const Bytes& packet) {
  return packet.at(0) % 16 * 4u;
}

inline unsigned pseudo_sum(const Bytes& packet) {
  const auto length = static_cast<unsigned>(packet.size() - ip_length(packet));
  return sum(packet, 12, 20, packet.at(9) + length);
}

inline std::size_t checksum_at(const Bytes& packet) {
  return ip_length(packet) + (packet.at(9) == 6 ? 16 : 6);
}

// Sets the lengths and checksums of a packet whose other fields are set.
inline void finish(Bytes& packet) {
  put16(packet, 2, static_cast<unsigned>(packet.size()));
  put16(packet, 10, 0);
  put16(packet, 10, 0xffff - sum(packet, 0, ip_length(packet)));
  const bool is_udp = packet.at(9) == 17;
  if (!is_udp && packet.at(9) != 6) return;
  if (is_udp)
    put16(packet, ip_length(packet) + 4, static_cast<unsigned>(packet.size() - ip_length(packet)));
  put16(packet, checksum_at(packet), 0);
  unsigned checksum = 0xffff - sum(packet, ip_length(packet), packet.size(), pseudo_sum(packet));
  if (is_udp && checksum == 0) checksum = 0xffff;
  put16(packet, checksum_at(packet), checksum);
}

inline bool has_right_checksums(const Bytes& packet) {
  if (sum(packet, 0, ip_length(packet)) != 0xffff) return false;
  if (packet.at(9) != 6 && packet.at(9) != 17) return true;
  return sum(packet, ip_length(packet), packet.size(), pseudo_sum(packet)) == 0xffff;
}

struct Fields {
  std::uint32_t source = 0x0a050102;       // 10.5.1.2
  std::uint32_t destination = 0x0a050203;  // 10.5.2.3
  unsigned source_port = 40000;
  unsigned destination_port = 5201;
  unsigned id = 1;
  unsigned ttl = 64;
  unsigned tos = 0;
  bool dont_fragment = true;
  std::uint32_t sequence = 1000;
  std::uint32_t acknowledgement = 5000;
  unsigned window = 512;
  unsigned flags = 0x10;   // ACK
  Bytes ip_options = {};   // a multiple of 4
  Bytes tcp_options = {};  // a multiple of 4
};

inline Bytes ip_packet(const Fields& f, unsigned protocol, const Bytes& payload) {
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
                  .checksum_offset = static_cast<std::uint16_t>(packet.at(9) == 6 ? 16 : 6),
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
  const bool is_tcp = offload.cut == Offload::Cut::tcp4;
  const std::size_t header = transport + (is_tcp ? packet.at(transport + 12) / 16 * 4u : 8u);
  std::vector<Bytes> parts;
  std::size_t at = header;
  do {
    const std::size_t end = std::min(packet.size(), at + offload.segment_size);
    Bytes part(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(header));
    part.insert(part.end(), packet.begin() + static_cast<std::ptrdiff_t>(at),
                packet.begin() + static_cast<std::ptrdiff_t>(end));
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
