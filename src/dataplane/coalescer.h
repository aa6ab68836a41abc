// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <vector>

#include "dataplane/counters.h"
#include "dataplane/ports.h"
#include "net/ip_header.h"

namespace flannel {

// Joins consecutive packets of a TCP or UDP flow into a super-packet, so that the network stack of
// the host runs once for many packets. Cutting the super-packet gives the same packets, byte for
// byte, with one exception: packets that must not be fragmented and all have the same
// identification may be renumbered, since it has no meaning there (RFC 6864). The order of packets
// within a flow never changes.
class Coalescer {
 public:
  // `tun` and `tallies` must outlive the coalescer.
  Coalescer(TunPort& tun, PacketTallies& tallies);

  // Adds a packet with the valid header `ip`. Until the next flush() the bytes belong to the
  // coalescer, which may also change them.
  void add(ByteSpan packet, const IpHeader& ip);

  // Writes all packets that it still holds.
  void flush();

 private:
  // A packet that may begin or continue a super-packet.
  struct Candidate {
    ByteSpan packet;
    Offload::Cut cut = Offload::Cut::none;
    Family family = Family::v4;
    std::size_t header_length = 0;  // IP and transport
    std::uint16_t id = 0;           // IPv4
    std::uint32_t sequence = 0;     // TCP
    bool push = false;

    std::size_t ip_length() const { return ip_header_min(family); }
    std::size_t payload() const { return packet.size() - header_length; }
  };
  struct Flow {
    Candidate first;
    std::size_t total = 0;  // length of the super-packet
    std::size_t last_payload = 0;
    std::uint16_t id_step = 0;  // between the first two packets: 0 or 1
    bool pushed = false;
    std::vector<ByteView> parts;  // the first packet, then the payloads; empty: not in use

    bool is_same_flow(const Candidate& next) const;
    bool is_between_hosts_of(const IpHeader& ip) const;
    bool takes(const Candidate& next) const;
    bool continues_ids(const Candidate& next) const;
    bool continues_ip(const Candidate& next) const;
    bool continues_tcp(const Candidate& next) const;
    void begin(const Candidate& candidate);
    void append(const Candidate& next);
  };

  Candidate examine(ByteSpan packet, const IpHeader& ip) const;
  Flow* find(const Candidate& candidate);
  Flow& open();
  void flush_pair(const IpHeader& ip);
  void write(Flow& flow);
  static void write_super_headers(const Flow& flow);
  void write_super(Flow& flow);
  void write_parts_singly(const Flow& flow, const Offload& offload);
  void write_plain(ByteView packet);

  TunPort& tun_;
  PacketTallies& tallies_;
  std::array<Flow, 8> flows_;
  std::size_t last_ = 0;
  std::size_t victim_ = 0;
  bool joins_tcp_;
  bool joins_udp_;
};

}  // namespace flannel
