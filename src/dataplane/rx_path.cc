// SPDX-License-Identifier: Apache-2.0
#include "dataplane/rx_path.h"

#include <algorithm>

#include "net/icmp.h"

namespace flannel {
namespace {

constexpr std::uint8_t kTimeExceededTtl = 64;

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
  return !runs.empty();
}

std::optional<Drop> refuse_datagram(ByteView datagram, const Ip4Header& ip, IpAddress from,
                                    const ForwardTable& table) {
  const OverlayHost& host = table.host();
  if (ip.total_length != datagram.size()) return Drop::in_length_mismatch;
  if (datagram.size() > host.mtu) return Drop::in_too_big;
  if (!has_valid_ip4_checksum(datagram.first(ip.header_length))) return Drop::in_bad_checksum;

  const IpEndpoint* owner = table.find(ip.source);
  if (owner == nullptr || host.subnet.contains(ip.source)) return Drop::in_unknown_source;
  if (owner->ip != from && !host.accept_any) return Drop::in_wrong_sender;
  if (!host.subnet.contains(ip.destination)) return Drop::in_not_for_us;
  if (ip.ttl <= 1) return Drop::in_ttl_expired;
  return std::nullopt;
}

void RxPath::accept(ByteSpan datagram, IpAddress from, const ForwardTable& table, TimePoint now) {
  const auto ip = Ip4Header::parse(datagram);
  if (!ip) return tallies_[Drop::in_not_ip4].add();
  if (const auto refused = refuse_datagram(datagram, *ip, from, table)) {
    tallies_[*refused].add();
    if (*refused == Drop::in_ttl_expired) answer_expired(datagram, ip->source, table, now);
    return;
  }
  tallies_.in_packets.add();
  tallies_.in_bytes.add(datagram.size());
  decrement_ttl(datagram);
  coalescer_.add(datagram, *ip);
}

void RxPath::answer_expired(ByteView offender, IpAddress sender, const ForwardTable& table,
                            TimePoint now) {
  const auto packet = make_icmp_error(IcmpError::time_exceeded, table.host().tunnel_address,
                                      kTimeExceededTtl, offender);
  if (!packet) return;
  if (!icmp_limit_.allow(now)) return tallies_.icmp_suppressed.add();
  const ByteView bytes = packet->view();
  if (udp_.send(*table.find(sender), bytes, bytes.size()) == Sent::done) tallies_.icmp_sent.add();
}

}  // namespace flannel
