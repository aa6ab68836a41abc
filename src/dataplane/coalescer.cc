// SPDX-License-Identifier: Apache-2.0
#include "dataplane/coalescer.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/log.h"
#include "dataplane/segmenter.h"
#include "net/checksum.h"
#include "net/transport_header.h"

namespace flannel {
namespace {

constexpr std::size_t kMaxTotal = 65535;
constexpr std::size_t kMaxParts = 128;

// Offset of the source address; the destination follows and ends the header.
constexpr std::size_t addresses_at(Family family) {
  return family == Family::v4 ? 12 : 8;
}

bool same_bytes(ByteView a, ByteView b, std::size_t at, std::size_t size) {
  return std::memcmp(a.data() + at, b.data() + at, size) == 0;
}

}  // namespace

Coalescer::Coalescer(TunPort& tun, PacketTallies& tallies)
    : tun_(tun),
      tallies_(tallies),
      joins_tcp_(tun.takes(Offload::Cut::tcp)),
      joins_udp_(tun.takes(Offload::Cut::udp)) {}

void Coalescer::add(ByteSpan packet, const IpHeader& ip) {
  const Candidate candidate = examine(packet, ip);
  if (candidate.cut == Offload::Cut::none) {
    flush_pair(ip);
    write_plain(packet);
    return;
  }
  Flow* flow = find(candidate);
  if (flow == nullptr) {
    open().begin(candidate);
  } else if (flow->takes(candidate)) {
    flow->append(candidate);
  } else {
    write(*flow);
    flow->begin(candidate);
  }
}

void Coalescer::flush() {
  for (Flow& flow : flows_)
    write(flow);
}

// The transport checksum must be right: when the super-packet is cut the checksums are computed
// again, which would turn a damaged packet into a valid one.
Coalescer::Candidate Coalescer::examine(ByteSpan packet, const IpHeader& ip) const {
  Candidate candidate{.packet = packet, .family = ip.family(), .id = ip.id};
  if (!ip.is_plain() || ip.is_of_unknown_flow()) return candidate;
  const ByteView transport = packet.subspan(ip.header_length);
  if (ip.protocol == kProtocolTcp && joins_tcp_) {
    const auto tcp = TcpHeader::parse(transport);
    if (!tcp || (tcp->flags & ~TcpHeader::kPsh) != TcpHeader::kAck) return candidate;
    candidate.header_length = ip.header_length + tcp->header_length;
    candidate.sequence = tcp->sequence;
    candidate.push = (tcp->flags & TcpHeader::kPsh) != 0;
  } else if (ip.protocol == kProtocolUdp && joins_udp_) {
    const auto udp = UdpHeader::parse(transport);
    if (!udp || udp->length != transport.size()) return candidate;
    candidate.header_length = ip.header_length + kUdpHeaderLength;
  } else {
    return candidate;
  }
  if (candidate.payload() == 0 || !has_valid_transport_checksum(ip, transport)) return candidate;
  candidate.cut = ip.protocol == kProtocolTcp ? Offload::Cut::tcp : Offload::Cut::udp;
  return candidate;
}

bool Coalescer::Flow::is_same_flow(const Candidate& next) const {
  constexpr std::size_t kPorts = 4;  // bytes after the addresses
  const std::size_t at = addresses_at(first.family);
  return first.cut == next.cut && first.family == next.family &&
         same_bytes(first.packet, next.packet, at, first.ip_length() - at + kPorts);
}

bool Coalescer::Flow::is_between_hosts_of(const IpHeader& ip) const {
  if (first.family != ip.family()) return false;
  const std::size_t size = ip.source.octets().size();
  const ByteView addresses = first.packet.subspan(addresses_at(first.family));
  return std::ranges::equal(addresses.first(size), ip.source.octets()) &&
         std::ranges::equal(addresses.subspan(size, size), ip.destination.octets());
}

bool Coalescer::Flow::takes(const Candidate& next) const {
  return !pushed && last_payload == first.payload() && next.payload() <= first.payload() &&
         next.header_length == first.header_length && total + next.payload() <= kMaxTotal &&
         parts.size() < kMaxParts && continues_ip(next) &&
         (first.cut == Offload::Cut::udp || continues_tcp(next));
}

bool Coalescer::Flow::continues_ids(const Candidate& next) const {
  constexpr std::uint8_t kDontFragment = 0x40;
  const auto distance = static_cast<std::uint16_t>(next.id - first.id);
  if (distance == parts.size() && (parts.size() == 1 || id_step == 1)) return true;
  return distance == 0 && (parts.size() == 1 || id_step == 0) &&
         (first.packet[6] & kDontFragment) != 0;
}

bool Coalescer::Flow::continues_ip(const Candidate& next) const {
  const ByteView a = first.packet;
  const ByteView b = next.packet;
  // Version, traffic class and flow label; next header and hop limit.
  if (first.family == Family::v6) return same_bytes(a, b, 0, 4) && same_bytes(a, b, 6, 2);
  // Type of service; fragment flags, TTL and protocol.
  return a[1] == b[1] && same_bytes(a, b, 6, 4) && continues_ids(next);
}

bool Coalescer::Flow::continues_tcp(const Candidate& next) const {
  const ByteView a = first.packet.subspan(first.ip_length());
  const ByteView b = next.packet.subspan(first.ip_length());
  const auto expected = static_cast<std::uint32_t>(first.sequence + total - first.header_length);
  // Acknowledgement, data offset; window; urgent pointer and options.
  return next.sequence == expected && same_bytes(a, b, 8, 5) && same_bytes(a, b, 14, 2) &&
         same_bytes(a, b, 18, first.header_length - first.ip_length() - 18);
}

void Coalescer::Flow::begin(const Candidate& candidate) {
  first = candidate;
  total = candidate.packet.size();
  last_payload = candidate.payload();
  id_step = 0;
  pushed = candidate.push;
  parts.assign(1, candidate.packet);
}

void Coalescer::Flow::append(const Candidate& next) {
  if (parts.size() == 1) id_step = static_cast<std::uint16_t>(next.id - first.id);
  total += next.payload();
  last_payload = next.payload();
  pushed = next.push;
  parts.push_back(next.packet.subspan(next.header_length));
}

Coalescer::Flow* Coalescer::find(const Candidate& candidate) {
  const auto matches = [&](const Flow& flow) {
    return !flow.parts.empty() && flow.is_same_flow(candidate);
  };
  if (matches(flows_[last_])) return &flows_[last_];
  const auto found = std::ranges::find_if(flows_, matches);
  if (found == flows_.end()) return nullptr;
  last_ = static_cast<std::size_t>(found - flows_.begin());
  return &*found;
}

Coalescer::Flow& Coalescer::open() {
  auto flow = std::ranges::find_if(flows_, [](const Flow& one) { return one.parts.empty(); });
  if (flow == flows_.end()) {
    flow = flows_.begin() + static_cast<std::ptrdiff_t>(victim_);
    victim_ = (victim_ + 1) % flows_.size();
    write(*flow);
  }
  last_ = static_cast<std::size_t>(flow - flows_.begin());
  return *flow;
}

// Writes the flows between the two hosts of a packet that cannot be joined. A fragment has no
// ports, so it may belong to any of these flows, and earlier packets must precede it. In an IPv6
// fragment even the protocol can be hidden.
void Coalescer::flush_pair(const IpHeader& ip) {
  const bool is_hidden = !ip.has_transport && ip.family() == Family::v6;
  if (!is_hidden && ip.protocol != kProtocolTcp && ip.protocol != kProtocolUdp) return;
  const auto cut = ip.protocol == kProtocolTcp ? Offload::Cut::tcp : Offload::Cut::udp;
  for (Flow& flow : flows_) {
    if (flow.parts.empty() || (!is_hidden && flow.first.cut != cut)) continue;
    if (flow.is_between_hosts_of(ip)) write(flow);
  }
}

void Coalescer::write(Flow& flow) {
  if (flow.parts.size() == 1) write_plain(flow.parts.front());
  if (flow.parts.size() > 1) write_super(flow);
  flow.parts.clear();
}

// Makes the headers of the first packet those of the super-packet.
void Coalescer::write_super_headers(const Flow& flow) {
  const Candidate& first = flow.first;
  const std::size_t ip_length = first.ip_length();
  rewrite_ip_header(first.packet.first(ip_length), flow.total, first.id);
  const ByteSpan transport = first.packet.subspan(ip_length);
  const auto length = static_cast<std::uint16_t>(flow.total - ip_length);
  const IpHeader ip = *IpHeader::parse(first.packet);
  const std::uint16_t pseudo = pseudo_header_sum(ip.source, ip.destination, ip.protocol, length);
  if (first.cut == Offload::Cut::tcp) {
    constexpr std::size_t kFlagsAt = 13;
    transport[kFlagsAt] = TcpHeader::kAck | (flow.pushed ? TcpHeader::kPsh : 0);
    store_be16(transport, kTcpChecksumAt, pseudo);
  } else {
    constexpr std::size_t kLengthAt = 4;
    store_be16(transport, kLengthAt, length);
    store_be16(transport, kUdpChecksumAt, pseudo);
  }
}

void Coalescer::write_super(Flow& flow) {
  write_super_headers(flow);
  const Candidate& first = flow.first;
  const bool is_tcp = first.cut == Offload::Cut::tcp;
  const Offload offload{
      .checksum_unfinished = true,
      .checksum_start = static_cast<std::uint16_t>(first.ip_length()),
      .checksum_offset = static_cast<std::uint16_t>(is_tcp ? kTcpChecksumAt : kUdpChecksumAt),
      .cut = first.cut,
      .header_length = static_cast<std::uint16_t>(first.header_length),
      .segment_size = static_cast<std::uint16_t>(first.payload())};

  if (bool& joins = is_tcp ? joins_tcp_ : joins_udp_; joins) {
    const TunWrite written = tun_.write(offload, flow.parts);
    if (written != TunWrite::refused) {
      tallies_.in_writes.add();
      if (written == TunWrite::lost) tallies_[Drop::in_write_failed].add(flow.parts.size());
      return;
    }
    // Some kernels refuse super-packets that they declared to accept (a regression of virtio_net.h
    // in several stable series, fixed by 89add40066f9). The packets themselves are valid.
    joins = false;
    log::warning("device takes no super-packets, going on without",
                 {{"protocol", is_tcp ? "tcp" : "udp"}});
  }
  write_parts_singly(flow, offload);
}

void Coalescer::write_parts_singly(const Flow& flow, const Offload& offload) {
  std::vector<std::uint8_t> whole;
  whole.reserve(flow.total);
  for (const ByteView part : flow.parts)
    whole.insert(whole.end(), part.begin(), part.end());
  const auto segmenter = Segmenter::of(whole, *IpHeader::parse(whole), offload);
  assert(segmenter);
  std::vector<std::uint8_t> packet;
  for (std::size_t n = 0; n < segmenter->count(); ++n) {
    packet.resize(segmenter->length(n));
    segmenter->write(n, packet);
    write_plain(packet);
  }
}

void Coalescer::write_plain(ByteView packet) {
  tallies_.in_writes.add();
  if (tun_.write({}, {&packet, 1}) != TunWrite::done) tallies_[Drop::in_write_failed].add();
}

}  // namespace flannel
