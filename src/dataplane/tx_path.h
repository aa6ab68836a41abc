// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "base/clock.h"
#include "dataplane/counters.h"
#include "dataplane/forward_table.h"
#include "dataplane/ports.h"
#include "dataplane/rate_limit.h"
#include "dataplane/send_batcher.h"
#include "net/icmp.h"

namespace flannel {

// From the host to its peers: read packets, find the owner of each destination, take one off the
// TTL, cut super-packets, send. One thread.
class TxPath {
 public:
  // The arguments outlive the path; `tallies` is written by this path alone.
  TxPath(TunPort& tun, UdpPort& udp, PathTallies& tallies);

  // Handles what waits, up to a budget, and sends it; false: nothing waited.
  bool step(const ForwardTable& table, TimePoint now);

 private:
  void forward(ByteSpan packet, const Offload& offload, const ForwardTable& table, TimePoint now);
  void answer(IcmpError error, ByteView offender, const ForwardTable& table, TimePoint now);

  TunPort& tun_;
  PathTallies& tallies_;
  SendBatcher batcher_;
  RateLimit icmp_limit_ = icmp_error_limit();
  std::unique_ptr<std::uint8_t[]> buffer_;
};

}  // namespace flannel
