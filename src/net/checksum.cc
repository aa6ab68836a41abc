// SPDX-License-Identifier: Apache-2.0
#include "net/checksum.h"

#include <bit>
#include <cstring>

namespace flannel {
namespace {

// Two 64-bit lanes: all CPUs with SSE2 or NEON have them, so no dispatch at run time is needed.
using Lanes = std::uint64_t __attribute__((vector_size(16)));
constexpr std::size_t kBlock = 2 * sizeof(Lanes);

// The byte order of the words affects only the order of the sum's own two bytes. The sum is
// therefore computed in the machine's byte order, 32 bits at a time, and converted at the end.
std::uint16_t fold(std::uint64_t sum) {
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  const auto folded = static_cast<std::uint16_t>(sum);
  if constexpr (std::endian::native == std::endian::big) return folded;
  return static_cast<std::uint16_t>(folded << 8 | folded >> 8);
}

template <bool kCopy>
std::uint64_t sum_tail(std::uint8_t* to, const std::uint8_t* from, std::size_t size) {
  std::uint64_t sum = 0;
  for (; size >= 4; size -= 4, from += 4, to += kCopy ? 4 : 0) {
    std::uint32_t word;
    std::memcpy(&word, from, 4);
    if constexpr (kCopy) std::memcpy(to, &word, 4);
    sum += word;
  }
  if (size == 0) return sum;
  std::uint16_t halves[2] = {0, 0};  // an odd last byte is padded with a zero byte
  std::memcpy(halves, from, size);
  if constexpr (kCopy) std::memcpy(to, from, size);
  return sum + halves[0] + halves[1];
}

template <bool kCopy>
std::uint16_t sum_all(std::uint8_t* to, const std::uint8_t* from, std::size_t size) {
  const Lanes low = {0xffffffff, 0xffffffff};
  Lanes a{}, b{}, c{}, d{};  // 32-bit words in 64-bit lanes cannot overflow below 2^32 words
  for (; size >= kBlock; size -= kBlock, from += kBlock, to += kCopy ? kBlock : 0) {
    Lanes first, second;
    std::memcpy(&first, from, sizeof first);
    std::memcpy(&second, from + sizeof first, sizeof second);
    if constexpr (kCopy) {
      std::memcpy(to, &first, sizeof first);
      std::memcpy(to + sizeof first, &second, sizeof second);
    }
    a += first & low;
    b += first >> 32;
    c += second & low;
    d += second >> 32;
  }
  const Lanes all = (a + b) + (c + d);
  const std::uint64_t blocks = all[0] + all[1];
  return fold((blocks >> 32) + (blocks & 0xffffffff) + sum_tail<kCopy>(to, from, size));
}

}  // namespace

std::uint16_t ones_sum(ByteView bytes) {
  return sum_all<false>(nullptr, bytes.data(), bytes.size());
}

std::uint16_t copy_and_sum(std::uint8_t* to, ByteView from) {
  return sum_all<true>(to, from.data(), from.size());
}

// The pseudo headers of both families have the same sum, since they differ in the order of their
// fields and in zeros only (RFC 9293 3.1, RFC 8200 8.1).
std::uint16_t pseudo_header_sum(const IpAddress& source, const IpAddress& destination,
                                std::uint8_t protocol, std::uint16_t length) {
  std::uint64_t sum = std::uint64_t{protocol} + length;
  for (const IpAddress* ip : {&source, &destination}) {
    for (std::size_t at = 0; at < ip->octets().size(); at += 4)
      sum += load_be32(ip->bytes, at);
  }
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  return static_cast<std::uint16_t>((sum >> 16) + (sum & 0xffff));
}

}  // namespace flannel
