// SPDX-License-Identifier: Apache-2.0
#include "probe/message.h"

#include <algorithm>

namespace flannel {
namespace {

constexpr std::uint32_t kMagic = 0x666C5072;  // "flPr"
constexpr std::uint8_t kVersion = 1;

constexpr std::size_t kVersionAt = 4, kKindAt = 5, kSizeAt = 6, kNonceAt = 8, kEchoAt = 16,
                      kAgeAt = 24, kUdpChecksumSeenAt = 28;

// A value of a later release says nothing to this one.
ProbeMessage::Checksum read_checksum(std::uint8_t byte) {
  const auto checksum = static_cast<ProbeMessage::Checksum>(byte);
  return checksum == ProbeMessage::Checksum::right || checksum == ProbeMessage::Checksum::wrong
             ? checksum
             : ProbeMessage::Checksum::not_seen;
}

}  // namespace

void ProbeMessage::write(ByteSpan into) const {
  std::ranges::fill(into.first(kLength), std::uint8_t{0});
  store_be32(into, 0, kMagic);
  into[kVersionAt] = kVersion;
  into[kKindAt] = static_cast<std::uint8_t>(kind);
  store_be16(into, kSizeAt, size);
  store_be64(into, kNonceAt, nonce);
  store_be64(into, kEchoAt, echo);
  store_be32(into, kAgeAt, echo_age_ms);
  into[kUdpChecksumSeenAt] = static_cast<std::uint8_t>(checksum);
}

std::optional<ProbeMessage> ProbeMessage::parse(ByteView payload) {
  if (payload.size() < kLength) return std::nullopt;
  if (load_be32(payload, 0) != kMagic || payload[kVersionAt] != kVersion) return std::nullopt;
  const auto kind = static_cast<Kind>(payload[kKindAt]);
  if (kind != Kind::request && kind != Kind::answer) return std::nullopt;
  return ProbeMessage{.kind = kind,
                      .size = load_be16(payload, kSizeAt),
                      .nonce = load_be64(payload, kNonceAt),
                      .echo = load_be64(payload, kEchoAt),
                      .echo_age_ms = load_be32(payload, kAgeAt),
                      .checksum = read_checksum(payload[kUdpChecksumSeenAt])};
}

}  // namespace flannel
