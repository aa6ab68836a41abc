// SPDX-License-Identifier: Apache-2.0
#include "dataplane/rx_path.h"

#include <algorithm>

namespace flannel {
namespace {

constexpr std::uint8_t kAnswerToPeerHopLimit = 64;

}  // namespace

RxPath::RxPath(UdpPort& udp, TunPort& tun, PacketTallies& tallies)
    : udp_(udp), tallies_(tallies), coalescer_(tun, tallies) {}

bool RxPath::step(const ForwardTable& table, TimePoint now) {
  const auto runs = udp_.receive();
  for (const UdpPort::Run& run : runs) {
    ByteSpan rest = run.bytes;
    do {  // an empty datagram is one, too
      const std::size_t size =
          run.segment_size == 0 ? rest.size() : std::min(rest.size(), run.segment_size);
      accept(rest.first(size), run.from, table, now);
      rest = rest.subspan(size);
    } while (!rest.empty());
  }
  coalescer_.flush();
  run_.flush();
  return !runs.empty();
}

std::optional<Drop> refuse_datagram(ByteView datagram, const IpHeader& ip, const IpAddress& from,
                                    const PeerEntry* owner, const OverlayHost& host) {
  if (ip.total_length != datagram.size()) return Drop::in_length_mismatch;
  if (!has_valid_header_checksum(ip, datagram)) return Drop::in_bad_checksum;
  if (owner == nullptr || host.owns(ip.source)) return Drop::in_unknown_source;
  if (owner->endpoint.ip != from && !host.accept_any) return Drop::in_wrong_sender;
  if (!host.owns(ip.destination)) return Drop::in_not_for_us;
  // The last two are answered, so only peers may get there. The device of a peer may have a larger
  // MTU, if it is upstream's or not yet restarted under another configuration. Linux takes what is
  // longer than the MTU from a TUN device, and cuts it on the way to a container.
  if (datagram.size() > host.mtu && !ip.may_be_fragmented) return Drop::in_too_big;
  if (ip.hop_limit <= 1) return Drop::in_ttl_expired;
  return std::nullopt;
}

void RxPath::accept(ByteSpan datagram, const IpAddress& from, const ForwardTable& table,
                    TimePoint now) {
  const auto ip = IpHeader::parse(datagram);
  if (!ip) return tallies_[Drop::in_not_ip].add();
  const PeerEntry* owner = table.find_peer(ip->source);
  if (const auto refused = refuse_datagram(datagram, *ip, from, owner, table.host())) {
    tallies_[*refused].add();
    if (*refused == Drop::in_ttl_expired) {
      answer({IcmpError::Kind::time_exceeded}, datagram, ip->source, table, now);
    } else if (*refused == Drop::in_too_big) {
      answer({IcmpError::Kind::packet_too_big, table.host().mtu}, datagram, ip->source, table, now);
    }
    return;
  }
  tallies_.in_packets.add();
  tallies_.in_bytes.add(datagram.size());
  run_.add(table.bytes_of(*owner), datagram.size());
  decrement_hop_limit(datagram);
  coalescer_.add(datagram, *ip);
}

// `sender` has an owner, and we have a subnet of its family.
void RxPath::answer(const IcmpError& error, ByteView offender, const IpAddress& sender,
                    const ForwardTable& table, TimePoint now) {
  const IpAddress& from = table.host().at(sender.family)->tunnel_address;
  const auto packet = make_icmp_error(error, from, kAnswerToPeerHopLimit, offender);
  if (!packet) return;
  if (!icmp_limit_.allow(now)) return tallies_.icmp_suppressed.add();
  const ByteView bytes = packet->view();
  if (udp_.send(*table.find(sender), bytes, bytes.size()) == Sent::done) tallies_.icmp_sent.add();
}

}  // namespace flannel
