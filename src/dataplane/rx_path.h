// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "base/clock.h"
#include "dataplane/coalescer.h"
#include "dataplane/counters.h"
#include "dataplane/forward_table.h"
#include "dataplane/peer_bytes.h"
#include "dataplane/ports.h"
#include "dataplane/rate_limit.h"
#include "net/icmp.h"
#include "net/ip_header.h"

namespace flannel {

// Carries packets from the peers to the host: receives datagrams, validates the packets in them,
// decrements the hop limit, coalesces packets of one flow, and writes them to the device. One
// thread.
class RxPath {
 public:
  // The arguments must outlive the path. Only this path writes `tallies`.
  RxPath(UdpPort& udp, TunPort& tun, PacketTallies& tallies);

  // Handles all datagrams that have arrived. False: none had.
  bool step(const ForwardTable& table, TimePoint now);

 private:
  void accept(ByteSpan datagram, const IpAddress& from, const ForwardTable& table, TimePoint now);
  void answer(const IcmpError& error, ByteView offender, const IpAddress& sender,
              const ForwardTable& table, TimePoint now);

  UdpPort& udp_;
  PacketTallies& tallies_;
  PeerRun run_{&PeerBytes::received};  // flushed before the table may change
  Coalescer coalescer_;
  RateLimit icmp_limit_ = icmp_error_limit();
};

// Returns why the datagram from `from`, whose inner header is `ip`, must be dropped; nullopt if it
// may pass. `owner`: of the inner source; null: nobody.
std::optional<Drop> refuse_datagram(ByteView datagram, const IpHeader& ip, const IpAddress& from,
                                    const PeerEntry* owner, const OverlayHost& host);

}  // namespace flannel
