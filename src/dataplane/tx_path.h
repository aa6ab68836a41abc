// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "base/clock.h"
#include "dataplane/backlog.h"
#include "dataplane/counters.h"
#include "dataplane/forward_table.h"
#include "dataplane/ports.h"
#include "dataplane/rate_limit.h"
#include "dataplane/send_batcher.h"
#include "net/icmp.h"

namespace flannel {

// From the host to its peers: read packets, find the owner of each destination, take one off the
// TTL, cut super-packets, send. One thread at a time.
class TxPath {
 public:
  // The arguments outlive the path; `tallies` is written by this path alone.
  TxPath(TunPort& tun, UdpPort& udp, PacketTallies& tallies);

  // Reads what waits, up to a budget, and sends it; of super-packets one, the others wait for the
  // next step. False: nothing waited.
  bool step(const ForwardTable& table, TimePoint now);
  // Sends what was read and still waits.
  void finish(const ForwardTable& table, TimePoint now);

 private:
  int read_what_waits(const ForwardTable& table, TimePoint now);
  void send_next(const ForwardTable& table, TimePoint now);
  void forward(ByteSpan packet, const Offload& offload, const ForwardTable& table, TimePoint now);
  void answer(IcmpError error, ByteView offender, const ForwardTable& table, TimePoint now);

  TunPort& tun_;
  PacketTallies& tallies_;
  SendBatcher batcher_;
  RateLimit icmp_limit_ = icmp_error_limit();
  Backlog backlog_;
};

}  // namespace flannel
