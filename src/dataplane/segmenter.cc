// SPDX-License-Identifier: Apache-2.0
#include "dataplane/segmenter.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "net/checksum.h"

namespace flannel {

std::optional<Segmenter> Segmenter::of(ByteView packet, const IpHeader& ip,
                                       const Offload& offload) {
  Segmenter segmenter{packet, ip, offload};
  const bool fits =
      offload.cut == Offload::Cut::none ? segmenter.fits_single() : segmenter.fits_super();
  if (!fits) return std::nullopt;
  return segmenter;
}

bool Segmenter::fits_single() const {
  if (!offload_.checksum_unfinished) return true;
  return offload_.checksum_start >= ip_.header_length &&
         offload_.checksum_start + std::size_t{offload_.checksum_offset} + 2 <= packet_.size();
}

// The header lengths are read from the packet, since those in the offload are only a hint.
bool Segmenter::fits_super() {
  if (offload_.segment_size == 0 || ip_.is_of_unknown_flow()) return false;
  const ByteView transport = packet_.subspan(ip_.header_length);
  if (offload_.cut == Offload::Cut::tcp) {
    const auto tcp = TcpHeader::parse(transport);
    if (ip_.protocol != kProtocolTcp || !tcp) return false;
    tcp_ = *tcp;
    header_length_ = ip_.header_length + tcp->header_length;
  } else {
    if (ip_.protocol != kProtocolUdp || !UdpHeader::parse(transport)) return false;
    header_length_ = ip_.header_length + kUdpHeaderLength;
  }
  const std::size_t payload = packet_.size() - header_length_;
  count_ = std::max<std::size_t>(1, (payload + offload_.segment_size - 1) / offload_.segment_size);
  address_sum_ = sum_of_addresses(transport);
  return true;
}

// The unfinished checksum of the super-packet is the sum of its pseudo header, with its length.
std::uint16_t Segmenter::sum_of_addresses(ByteView transport) const {
  if (!offload_.checksum_unfinished) {
    return pseudo_header_sum(ip_.source, ip_.destination, ip_.protocol, 0);
  }
  const bool is_tcp = offload_.cut == Offload::Cut::tcp;
  const std::uint16_t sum = load_be16(transport, is_tcp ? kTcpChecksumAt : kUdpChecksumAt);
  const auto length = static_cast<std::uint16_t>(transport.size());
  return add_sums(sum, static_cast<std::uint16_t>(~length));
}

std::size_t Segmenter::length(std::size_t n) const {
  assert(n < count_);
  if (offload_.cut == Offload::Cut::none) return packet_.size();
  const std::size_t payload = packet_.size() - header_length_ - n * offload_.segment_size;
  return header_length_ + std::min<std::size_t>(payload, offload_.segment_size);
}

void Segmenter::write_single(ByteSpan into) const {
  std::memcpy(into.data(), packet_.data(), packet_.size());
  if (!offload_.checksum_unfinished) return;
  // For UDP a checksum of zero means none; all ones has the same value (RFC 768), also for TCP.
  const std::uint16_t checksum = internet_checksum(into.subspan(offload_.checksum_start));
  const std::size_t at = offload_.checksum_start + std::size_t{offload_.checksum_offset};
  store_be16(into, at, checksum == 0 ? 0xffff : checksum);
}

std::uint16_t Segmenter::write_tcp_header(std::size_t n, ByteSpan header) const {
  std::uint8_t flags = tcp_.flags;
  if (n > 0) flags &= static_cast<std::uint8_t>(~TcpHeader::kCwr);
  if (n + 1 < count_) flags &= static_cast<std::uint8_t>(~(TcpHeader::kPsh | TcpHeader::kFin));
  const auto skipped = static_cast<std::uint32_t>(n * offload_.segment_size);
  TcpHeader::rewrite(header, tcp_.sequence + skipped, flags);
  store_be16(header, kTcpChecksumAt, 0);
  return ones_sum(header);
}

std::uint16_t Segmenter::write_udp_header(ByteSpan header, std::size_t payload) const {
  UdpHeader udp = *UdpHeader::parse(header);
  udp.length = static_cast<std::uint16_t>(kUdpHeaderLength + payload);
  udp.checksum = 0;
  udp.write(header);
  return ones_sum(header);
}

void Segmenter::write(std::size_t n, ByteSpan into) const {
  assert(into.size() == length(n));
  if (offload_.cut == Offload::Cut::none) return write_single(into);

  const bool is_tcp = offload_.cut == Offload::Cut::tcp;
  const ByteView payload =
      packet_.subspan(header_length_ + n * offload_.segment_size, into.size() - header_length_);
  std::memcpy(into.data(), packet_.data(), header_length_);
  rewrite_ip_header(into.first(ip_.header_length), into.size(),
                    static_cast<std::uint16_t>(ip_.id + n));
  const ByteSpan transport = into.subspan(ip_.header_length, header_length_ - ip_.header_length);
  const std::uint16_t header_sum =
      is_tcp ? write_tcp_header(n, transport) : write_udp_header(transport, payload.size());
  const std::uint16_t pseudo =
      add_sums(address_sum_, static_cast<std::uint16_t>(into.size() - ip_.header_length));
  const std::uint16_t payload_sum = copy_and_sum(into.data() + header_length_, payload);
  const auto checksum =
      static_cast<std::uint16_t>(~add_sums(add_sums(pseudo, header_sum), payload_sum));
  store_be16(into, ip_.header_length + (is_tcp ? kTcpChecksumAt : kUdpChecksumAt),
             !is_tcp && checksum == 0 ? 0xffff : checksum);
}

}  // namespace flannel
