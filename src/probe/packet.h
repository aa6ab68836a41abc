// SPDX-License-Identifier: Apache-2.0
// The IP packets of probes.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "net/address.h"
#include "net/bytes.h"
#include "probe/message.h"

namespace flannel {

// The identifier of our ICMP echoes: "fl". An answer has the nonce of its echo.
inline constexpr std::uint16_t kEchoId = 0x666C;

// The shortest IP packet of a probe.
constexpr std::uint16_t least_probe_size(Family family) {
  return family == Family::v4 ? 60 : 80;
}

// Where a packet of a probe goes.
struct ProbeRoute {
  IpAddress from;
  IpAddress to;  // of the same family
  std::uint8_t hop_limit = 64;
};

// A whole IP packet of `size` bytes (at least least_probe_size()) that must not be fragmented.
std::vector<std::uint8_t> probe_packet(const ProbeRoute& route, const ProbeMessage& message,
                                       std::uint16_t size);
// The same with an ICMP echo request.
std::vector<std::uint8_t> echo_packet(const ProbeRoute& route, std::uint64_t nonce,
                                      std::uint16_t size);
// The ICMP part of it, without a checksum of ICMPv6, which the kernel computes.
std::vector<std::uint8_t> echo_message(Family family, std::uint64_t nonce);
// The nonce in an ICMP echo answer of ours that begins at `icmp`; nullopt: it is none.
std::optional<std::uint64_t> nonce_in_echo_answer(Family family, ByteView icmp);

// A packet of a probe that has come in.
struct ArrivedProbe {
  IpAddress from;
  IpAddress to;
  std::uint16_t size = 0;  // of the IP packet
  // The state of the UDP checksum. Not seen: this is an ICMP echo, or was not read whole.
  ProbeMessage::Checksum checksum = ProbeMessage::Checksum::not_seen;
  // A message, or the nonce of an ICMP echo that was answered.
  std::variant<ProbeMessage, std::uint64_t> content;
};

// Reads a packet of which at least the beginning is there. nullopt: it is no packet of a probe.
std::optional<ArrivedProbe> read_probe(ByteView packet);

}  // namespace flannel
