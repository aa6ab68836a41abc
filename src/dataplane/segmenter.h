// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "dataplane/ports.h"
#include "net/ip_header.h"
#include "net/transport_header.h"

namespace flannel {

// Completes the offload work that the kernel left undone on a packet: cuts a super-packet into
// packets of the wire, as a network card would, or completes the checksum of a single packet.
class Segmenter {
 public:
  // `ip` is the header of `packet`, and its total length is that of the packet. Returns nullopt if
  // `offload` does not fit the packet. `packet` must stay unchanged while segments are written.
  static std::optional<Segmenter> of(ByteView packet, const IpHeader& ip, const Offload& offload);

  std::size_t count() const { return count_; }
  std::size_t length(std::size_t n) const;
  // Writes the n-th packet; `into` is length(n) bytes.
  void write(std::size_t n, ByteSpan into) const;

 private:
  Segmenter(ByteView packet, const IpHeader& ip, const Offload& offload)
      : packet_(packet), ip_(ip), offload_(offload) {}

  bool fits_single() const;
  bool fits_super();
  std::uint16_t sum_of_addresses(ByteView transport) const;
  void write_single(ByteSpan into) const;
  // Returns the sum of the header, including its checksum field.
  std::uint16_t write_tcp_header(std::size_t n, ByteSpan header) const;
  std::uint16_t write_udp_header(ByteSpan header, std::size_t payload) const;

  ByteView packet_;
  IpHeader ip_;
  Offload offload_;
  std::size_t header_length_ = 0;  // IP and transport
  // The sum of the pseudo header without its length. Behind a routing header it has another
  // destination than the IP header, which only the unfinished checksum knows.
  std::uint16_t address_sum_ = 0;
  std::size_t count_ = 1;
  TcpHeader tcp_;
};

}  // namespace flannel
