// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace flannel {

// The bytes of inner packets to and from one subnet of a peer. Packet threads add, any thread
// reads.
struct PeerBytes {
  std::atomic<std::uint64_t> sent = 0;
  std::atomic<std::uint64_t> received = 0;
};

// Adds up the bytes of consecutive packets of one peer, so that a burst costs one atomic addition.
// One thread at a time.
class PeerRun {
 public:
  explicit PeerRun(std::atomic<std::uint64_t> PeerBytes::*way) : way_(way) {}

  // `peer` must live until flush().
  void add(PeerBytes& peer, std::size_t bytes) {
    if (&peer != peer_) {
      flush();
      peer_ = &peer;
    }
    bytes_ += bytes;
  }
  void flush() {
    if (peer_ == nullptr) return;
    (peer_->*way_).fetch_add(bytes_, std::memory_order_relaxed);
    peer_ = nullptr;
    bytes_ = 0;
  }

 private:
  std::atomic<std::uint64_t> PeerBytes::*way_;
  PeerBytes* peer_ = nullptr;  // null: nothing is added up
  std::uint64_t bytes_ = 0;
};

}  // namespace flannel
