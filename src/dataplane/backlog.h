// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/ports.h"
#include "net/ip_header.h"

namespace flannel {

// A queue of super-packets that have been read and wait to be cut and sent. While they wait, small
// packets of other flows can be sent before them: sending one super-packet takes as long as reading
// forty small packets. One thread at a time.
class Backlog {
 public:
  // 64 places hold four megabytes, which is what Linux by default lets one TCP connection have in
  // flight. With fewer places a ping beside such a connection takes longer.
  static constexpr std::size_t kPlaces = 64;

  bool empty() const { return first_ == end_; }
  bool full() const { return end_ - first_ == kPlaces; }

  // Returns the buffer for the next packet; the caller may use it until keep() or the next call. It
  // is the buffer that was used last, which is still in the CPU's cache. Must not be full().
  ByteSpan place();

  // True if a packet of the same flow waits, so that `packet`, whose header is `ip`, must wait too.
  bool holds_flow_of(ByteView packet, const IpHeader& ip) const;

  // Enqueues the packet of `size` bytes that is in place(). Must not be full().
  void keep(std::size_t size, const Offload& offload, const IpHeader& ip);

  struct Waiting {
    ByteSpan packet;
    Offload offload;
  };
  // Dequeues the first packet. Its bytes stay valid until the next call of place(). Must not be
  // empty().
  Waiting take();

 private:
  using Buffer = std::unique_ptr<std::uint8_t[]>;
  struct Place {
    Buffer bytes;
    std::size_t size = 0;
    Offload offload;
    std::uint8_t flow = 0;
    bool is_of_unknown_flow = false;
  };

  static std::uint8_t flow_of(ByteView packet, const IpHeader& ip);

  std::array<Place, kPlaces> places_;
  std::vector<Buffer> free_;  // the buffer that was used last is at the end
  std::size_t first_ = 0;     // number of the first waiting packet; never wraps to 0, nor does end_
  std::size_t end_ = 0;
  // How many packets of each flow number wait. Flows that share a number delay each other without
  // need, which is rare.
  std::array<std::uint8_t, 256> waiting_by_flow_{};
  std::size_t of_unknown_flow_ = 0;
};

}  // namespace flannel
