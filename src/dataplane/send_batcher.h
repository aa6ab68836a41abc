// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "dataplane/counters.h"
#include "dataplane/ports.h"

namespace flannel {

// Collects consecutive datagrams to the same peer so that one system call sends many. All datagrams
// of a batch have the same length, except that the last may be shorter; they may belong to
// different flows. Datagrams to one peer are sent in the order in which they were appended.
class SendBatcher {
 public:
  // `udp` and `tallies` must outlive the batcher.
  SendBatcher(UdpPort& udp, PacketTallies& tallies);

  // Returns the buffer for the next datagram to `to`, which has `length` bytes (at most
  // kMaxUdpPayload). The caller fills it before the next call of append() or flush().
  ByteSpan append(const IpEndpoint& to, std::size_t length, TimePoint now);

  // Sends all pending datagrams.
  void flush(TimePoint now);

 private:
  struct Batch {
    IpEndpoint to;
    std::size_t segment = 0;  // length of the first datagram
    std::size_t used = 0;
    std::size_t count = 0;
    bool closed = false;  // its last datagram is shorter, so no other may follow
    std::unique_ptr<std::uint8_t[]> bytes;

    bool takes(std::size_t length) const;
  };
  // A peer to which sending many datagrams at once failed, and until when it is not tried again.
  struct Refusal {
    IpEndpoint to;
    TimePoint until;
  };

  Batch& batch_for(const IpEndpoint& to, TimePoint now);
  void send(Batch& batch, TimePoint now);
  void send_each(const Batch& batch);
  void count_lost(Sent why, std::size_t datagrams);
  bool is_refused(const IpEndpoint& to, TimePoint now);

  UdpPort& udp_;
  PacketTallies& tallies_;
  std::array<Batch, 8> batches_;
  std::size_t last_ = 0;    // index of the batch that was used last
  std::size_t victim_ = 0;  // index of the batch that is sent next to make room
  std::vector<Refusal> refusals_;
};

}  // namespace flannel
