// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/ports.h"
#include "net/ip4_header.h"

namespace flannel {

// Super-packets that were read and wait to be cut and sent, first come, first served, so that small
// packets of other flows need not wait behind them: a super-packet takes as long to send as forty
// small ones to read. One thread at a time.
class Backlog {
 public:
  // Four megabytes, what Linux lets one TCP connection have under way by default: with fewer places
  // a ping behind it takes longer.
  static constexpr std::size_t kPlaces = 64;

  bool empty() const { return first_ == end_; }
  bool full() const { return end_ - first_ == kPlaces; }

  // Where to put the next packet; the caller's until keep() or the next call. Not when full. The
  // place that was used last, which is still in the CPU's cache.
  ByteSpan place();

  // Whether the packet, whose header is `ip`, would overtake one of its flow if it did not wait.
  bool holds_flow_of(ByteView packet, const Ip4Header& ip) const;

  // The packet of that many bytes in place() waits now. Not when full.
  void keep(std::size_t size, const Offload& offload, const Ip4Header& ip);

  struct Waiting {
    ByteSpan packet;
    Offload offload;
  };
  // Takes the first one out; not when empty. The bytes are the caller's until the next place().
  Waiting take();

 private:
  using Buffer = std::unique_ptr<std::uint8_t[]>;
  struct Place {
    Buffer bytes;
    std::size_t size = 0;
    Offload offload;
    std::uint8_t flow = 0;
    bool is_fragment = false;
  };

  static std::uint8_t flow_of(ByteView packet, const Ip4Header& ip);

  std::array<Place, kPlaces> places_;
  std::vector<Buffer> free_;  // the one used last at the end
  std::size_t first_ = 0;     // of those that wait; counts on for ever, as end_ does
  std::size_t end_ = 0;
  // How many wait; flows that share a number wait for each other in vain, and rarely.
  std::array<std::uint8_t, 256> waiting_by_flow_{};
  std::size_t fragments_ = 0;
};

}  // namespace flannel
