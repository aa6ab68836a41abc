// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "base/clock.h"
#include "dataplane/backlog.h"
#include "dataplane/counters.h"
#include "dataplane/forward_table.h"
#include "dataplane/peer_bytes.h"
#include "dataplane/ports.h"
#include "dataplane/rate_limit.h"
#include "dataplane/send_batcher.h"
#include "net/icmp.h"
#include "net/ip_header.h"

namespace flannel {

// Carries packets from the host to its peers: reads packets from the device, looks up the peer of
// each destination, decrements the hop limit, cuts super-packets, and sends. One thread at a time.
class TxPath {
 public:
  // The arguments must outlive the path. Only this path writes `tallies`.
  TxPath(TunPort& tun, UdpPort& udp, PacketTallies& tallies);

  // Reads the packets that wait, up to a limit, and sends them. At most one super-packet is sent;
  // the others stay in the backlog for the next step. False: no packet waited.
  bool step(const ForwardTable& table, TimePoint now);
  // Sends all packets of the backlog.
  void finish(const ForwardTable& table, TimePoint now);

 private:
  int read_what_waits(const ForwardTable& table, TimePoint now);
  void send_next(const ForwardTable& table, TimePoint now);
  void forward(ByteSpan packet, const Offload& offload, const ForwardTable& table, TimePoint now);
  void refuse(const IpHeader& ip, ByteView packet, const ForwardTable& table, TimePoint now);
  void answer(IcmpError::Kind kind, const IpHeader& ip, ByteView offender,
              const ForwardTable& table, TimePoint now);

  TunPort& tun_;
  PacketTallies& tallies_;
  PeerRun run_{&PeerBytes::sent};  // flushed before the table may change
  SendBatcher batcher_;
  RateLimit icmp_limit_ = icmp_error_limit();
  Backlog backlog_;
};

}  // namespace flannel
