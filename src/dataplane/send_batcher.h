// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "dataplane/counters.h"
#include "dataplane/ports.h"

namespace flannel {

// Collects datagrams so that one send carries many: consecutive ones to the same peer, whatever
// flow they belong to, all of one length but the last, which may be shorter. Datagrams to one peer
// leave in the order in which they came.
class SendBatcher {
 public:
  // `udp` and `tallies` outlive the batcher.
  SendBatcher(UdpPort& udp, PacketTallies& tallies);

  // Where to put the next datagram to `to`, of `length` bytes (at most kMaxUdpPayload). The place
  // is the caller's until the next call of append or flush.
  ByteSpan append(Endpoint4 to, std::size_t length, TimePoint now);

  // Sends all that is pending.
  void flush(TimePoint now);

 private:
  struct Batch {
    Endpoint4 to;
    std::size_t segment = 0;  // length of the first datagram
    std::size_t used = 0;
    std::size_t count = 0;
    bool closed = false;  // its last datagram is shorter: nothing may follow
    std::unique_ptr<std::uint8_t[]> bytes;

    bool takes(std::size_t length) const;
  };
  // A peer that cannot be sent runs, and until when we do not try.
  struct Refusal {
    Endpoint4 to;
    TimePoint until;
  };

  Batch& batch_for(Endpoint4 to, TimePoint now);
  void send(Batch& batch, TimePoint now);
  void send_each(const Batch& batch);
  void count_lost(Sent why, std::size_t datagrams);
  bool is_refused(Endpoint4 to, TimePoint now);

  UdpPort& udp_;
  PacketTallies& tallies_;
  std::array<Batch, 8> batches_;
  std::size_t last_ = 0;    // the batch used last
  std::size_t victim_ = 0;  // the one to give up next
  std::vector<Refusal> refusals_;
};

}  // namespace flannel
