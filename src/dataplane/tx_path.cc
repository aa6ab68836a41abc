// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tx_path.h"

#include "dataplane/segmenter.h"
#include "net/ip4_header.h"

namespace flannel {
namespace {

// Packets that are read before what was collected is sent.
constexpr int kReadBudget = 64;
// Upstream's for "net unreachable". It only has to reach a container of this host.
constexpr std::uint8_t kIcmpTtl = 8;

}  // namespace

TxPath::TxPath(TunPort& tun, UdpPort& udp, PathTallies& tallies)
    : tun_(tun),
      tallies_(tallies),
      batcher_(udp, tallies),
      buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(kTunReadSize)) {}

bool TxPath::step(const ForwardTable& table, TimePoint now) {
  int packets = 0;
  while (packets < kReadBudget) {
    const auto read = tun_.read({buffer_.get(), kTunReadSize});
    if (!read) break;
    ++packets;
    forward({buffer_.get(), read->size}, read->offload, table, now);
  }
  batcher_.flush(now);
  return packets > 0;
}

void TxPath::forward(ByteSpan packet, const Offload& offload, const ForwardTable& table,
                     TimePoint now) {
  const auto ip = Ip4Header::parse(packet);
  if (!ip) return tallies_[Drop::out_not_ip4].add();
  if (ip->total_length != packet.size()) return tallies_[Drop::out_malformed].add();
  const Endpoint4* peer = table.find(ip->destination);
  if (peer == nullptr) {
    tallies_[Drop::out_no_peer].add();
    return answer(IcmpError::net_unreachable, packet, table, now);
  }
  if (ip->ttl <= 1) {
    tallies_[Drop::out_ttl_expired].add();
    return answer(IcmpError::time_exceeded, packet, table, now);
  }
  const auto segmenter = Segmenter::of(packet, *ip, offload);
  if (!segmenter || segmenter->length(0) > kMaxUdpPayload) {
    return tallies_[Drop::out_malformed].add();
  }
  decrement_ttl(packet);
  for (std::size_t n = 0; n < segmenter->count(); ++n) {
    segmenter->write(n, batcher_.append(*peer, segmenter->length(n), now));
  }
}

void TxPath::answer(IcmpError error, ByteView offender, const ForwardTable& table, TimePoint now) {
  const auto packet = make_icmp_error(error, table.host().tunnel_address, kIcmpTtl, offender);
  if (!packet) return;
  if (!icmp_limit_.allow(now)) return tallies_.icmp_suppressed.add();
  const ByteView bytes = packet->view();
  if (tun_.write({}, {&bytes, 1}) == TunWrite::done) tallies_.icmp_sent.add();
}

}  // namespace flannel
