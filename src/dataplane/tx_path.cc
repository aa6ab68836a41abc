// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tx_path.h"

#include "dataplane/segmenter.h"
#include "net/ip_header.h"

namespace flannel {
namespace {

// The number of packets that are read before the collected ones are sent.
constexpr int kReadBudget = 64;
// The TTL that upstream uses for "net unreachable". The packet only has to reach a local container.
constexpr std::uint8_t kAnswerToHostHopLimit = 8;

// RFC 1122, 3.2.2: no error answers a broadcast, which IPv6 does not have.
bool is_broadcast(const IpAddress& destination, const IpPrefix& network) {
  return destination.is_v4() && (destination == network.base || destination == network.last());
}

}  // namespace

TxPath::TxPath(TunPort& tun, UdpPort& udp, PacketTallies& tallies)
    : tun_(tun), tallies_(tallies), batcher_(udp, tallies) {}

bool TxPath::step(const ForwardTable& table, TimePoint now) {
  const int sent_on = read_what_waits(table, now);
  const bool has_backlog = !backlog_.empty();
  if (has_backlog) {
    // Sends the packets that do not wait for the backlog before the next super-packet.
    if (sent_on > 0) batcher_.flush(now);
    send_next(table, now);
  }
  if (backlog_.empty()) batcher_.flush(now);
  run_.flush();
  return sent_on > 0 || has_backlog;
}

// Forwards the packets that need not wait and enqueues the others. Returns how many were forwarded.
int TxPath::read_what_waits(const ForwardTable& table, TimePoint now) {
  int sent_on = 0;
  for (int n = 0; n < kReadBudget && !backlog_.full(); ++n) {
    const ByteSpan place = backlog_.place();
    const auto read = tun_.read(place);
    if (!read) break;
    const ByteSpan packet = place.first(read->size);
    const auto ip = IpHeader::parse(packet);
    const bool is_super = read->offload.cut != Offload::Cut::none;
    if (ip && (is_super || backlog_.holds_flow_of(packet, *ip))) {
      backlog_.keep(packet.size(), read->offload, *ip);
    } else {
      forward(packet, read->offload, table, now);
      ++sent_on;
    }
  }
  return sent_on;
}

void TxPath::send_next(const ForwardTable& table, TimePoint now) {
  const Backlog::Waiting next = backlog_.take();
  forward(next.packet, next.offload, table, now);
}

void TxPath::finish(const ForwardTable& table, TimePoint now) {
  while (!backlog_.empty())
    send_next(table, now);
  batcher_.flush(now);
  run_.flush();
}

void TxPath::forward(ByteSpan packet, const Offload& offload, const ForwardTable& table,
                     TimePoint now) {
  const auto ip = IpHeader::parse(packet);
  if (!ip) return tallies_[Drop::out_not_ip].add();
  if (ip->total_length != packet.size()) return tallies_[Drop::out_malformed].add();
  if (stays_on_link(*ip, packet)) return tallies_[Drop::out_link_only].add();
  const PeerEntry* peer = table.find_peer(ip->destination);
  if (peer == nullptr) return refuse(*ip, packet, table, now);
  if (ip->hop_limit <= 1) {
    tallies_[Drop::out_ttl_expired].add();
    return answer(IcmpError::Kind::time_exceeded, *ip, packet, table, now);
  }
  const auto segmenter = Segmenter::of(packet, *ip, offload);
  if (!segmenter || segmenter->length(0) > kMaxUdpPayload) {
    return tallies_[Drop::out_malformed].add();
  }
  decrement_hop_limit(packet);
  std::size_t bytes = 0;
  for (std::size_t n = 0; n < segmenter->count(); ++n) {
    const std::size_t length = segmenter->length(n);
    segmenter->write(n, batcher_.append(peer->endpoint, length, now));
    bytes += length;
  }
  run_.add(table.bytes_of(*peer), bytes);
}

// Drops a packet whose destination no peer owns.
void TxPath::refuse(const IpHeader& ip, ByteView packet, const ForwardTable& table, TimePoint now) {
  if (table.is_endpoint(ip.destination)) return tallies_[Drop::out_circle].add();
  tallies_[Drop::out_no_peer].add();
  const auto& own = table.host().at(ip.family());
  if (own && is_broadcast(ip.destination, own->network)) return;
  answer(IcmpError::Kind::net_unreachable, ip, packet, table, now);
}

// Without an address of the packet's family there is no answer.
void TxPath::answer(IcmpError::Kind kind, const IpHeader& ip, ByteView offender,
                    const ForwardTable& table, TimePoint now) {
  const auto& own = table.host().at(ip.family());
  if (!own) return;
  const auto packet = make_icmp_error({kind}, own->tunnel_address, kAnswerToHostHopLimit, offender);
  if (!packet) return;
  if (!icmp_limit_.allow(now)) return tallies_.icmp_suppressed.add();
  const ByteView bytes = packet->view();
  if (tun_.write({}, {&bytes, 1}) == TunWrite::done) tallies_.icmp_sent.add();
}

}  // namespace flannel
