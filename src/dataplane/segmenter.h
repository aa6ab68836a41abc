// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "dataplane/ports.h"
#include "net/ip4_header.h"
#include "net/transport_header.h"

namespace flannel {

// Does what the kernel left undone on one packet: cuts a super-packet into packets of the wire, as
// a network card would, and finishes the checksum of a single one.
class Segmenter {
 public:
  // `ip` is the header of `packet`, whose total length is the packet's. Nothing if the offload
  // claims what the packet is not. The packet must stay as it is while segments are taken.
  static std::optional<Segmenter> of(ByteView packet, const Ip4Header& ip, const Offload& offload);

  std::size_t count() const { return count_; }
  std::size_t length(std::size_t n) const;
  // Writes the n-th packet; `into` is length(n) bytes.
  void write(std::size_t n, ByteSpan into) const;

 private:
  Segmenter(ByteView packet, const Ip4Header& ip, const Offload& offload)
      : packet_(packet), ip_(ip), offload_(offload) {}

  bool fits_single() const;
  bool fits_super();
  void write_single(ByteSpan into) const;
  // The header's own sum, its checksum field counting as it stands.
  std::uint16_t write_tcp_header(std::size_t n, ByteSpan header) const;
  std::uint16_t write_udp_header(ByteSpan header, std::size_t payload) const;

  ByteView packet_;
  Ip4Header ip_;
  Offload offload_;
  std::size_t header_length_ = 0;  // IP and transport
  std::size_t count_ = 1;
  TcpHeader tcp_;
};

}  // namespace flannel
