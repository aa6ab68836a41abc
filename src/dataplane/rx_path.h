// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "base/clock.h"
#include "dataplane/coalescer.h"
#include "dataplane/counters.h"
#include "dataplane/forward_table.h"
#include "dataplane/ports.h"
#include "dataplane/rate_limit.h"
#include "net/ip4_header.h"

namespace flannel {

// From the peers to the host: take datagrams apart, believe none of them, take one off the TTL,
// join what belongs together, write. One thread.
class RxPath {
 public:
  // The arguments outlive the path; `tallies` is written by this path alone.
  RxPath(UdpPort& udp, TunPort& tun, PacketTallies& tallies);

  // Handles what has arrived and leaves nothing behind; false: nothing had.
  bool step(const ForwardTable& table, TimePoint now);

 private:
  void accept(ByteSpan datagram, Ip4 from, const ForwardTable& table, TimePoint now);
  void answer_expired(ByteView offender, Ip4 sender, const ForwardTable& table, TimePoint now);

  UdpPort& udp_;
  PacketTallies& tallies_;
  Coalescer coalescer_;
  RateLimit icmp_limit_ = icmp_error_limit();
};

// Why this datagram, whose inner header is `ip`, may not pass; nothing if it may.
std::optional<Drop> refuse_datagram(ByteView datagram, const Ip4Header& ip, Ip4 from,
                                    const ForwardTable& table);

}  // namespace flannel
