// SPDX-License-Identifier: Apache-2.0
// What two hosts send each other to find out whether packets pass: docs/probes.md.
#pragma once

#include <cstdint>
#include <optional>

#include "net/bytes.h"

namespace flannel {

// The UDP port of probes, at both ends, inside of the overlay. IANA has assigned it to nobody; it
// follows that of the udp backend.
inline constexpr std::uint16_t kProbePort = 8286;

struct ProbeMessage {
  static constexpr std::size_t kLength = 32;           // bytes of the UDP payload; padding follows
  static constexpr std::uint32_t kNoAge = 0xFFFFFFFF;  // nothing is echoed

  enum class Kind : std::uint8_t { request = 1, answer = 2 };
  Kind kind = Kind::request;
  // The length of an IP packet. Request: that the answer is to have, at most the request's.
  // Answer: that the request had when it arrived.
  std::uint16_t size = 0;
  std::uint64_t nonce = 0;  // random, another one in each message
  // Request: the nonce that came last from the receiver; 0: none. Answer: that of the request.
  std::uint64_t echo = 0;
  std::uint32_t echo_age_ms = kNoAge;  // since the echoed nonce came
  // Answer: how the UDP checksum of the request was. Earlier releases do not look at it.
  enum class Checksum : std::uint8_t { not_seen = 0, right = 1, wrong = 2 };
  Checksum checksum = Checksum::not_seen;

  void write(ByteSpan into) const;  // kLength bytes
  // nullopt: `payload` is no message of this version. Bytes after the message are ignored.
  static std::optional<ProbeMessage> parse(ByteView payload);

  bool operator==(const ProbeMessage&) const = default;
};

}  // namespace flannel
