// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "net/address.h"

namespace flannel {

// This host's own part of the overlay.
struct OverlayHost {
  Cidr4 subnet;             // what is ours to receive
  Ip4 tunnel_address = {};  // of the TUN device; ICMP errors come from it
  std::uint32_t mtu = 0;    // of the TUN device
  Cidr4 network = {};       // of all hosts; they all hear its first and last address
  bool accept_any = false;  // peers may send from another address than the one they announce (NAT)

  bool operator==(const OverlayHost&) const = default;
};

struct OverlayPeer {
  Cidr4 subnet;
  Endpoint4 endpoint;  // port not 0

  bool operator==(const OverlayPeer&) const = default;
};

// Who owns which part of the overlay. Immutable; packet threads share it. A look-up costs one
// cache line for each prefix length that occurs, and there is usually one: the SubnetLen.
//
// No endpoint in it has an owner in it. So a datagram of ours that the host's routes lead back into
// the device is found to be for nobody and goes no further: packets cannot travel in a circle,
// whatever the routes are.
class ForwardTable {
 public:
  // Of two peers with the same subnet the later one counts. Peers whose endpoint lies in a peer's
  // subnet, or in our own, are left out.
  ForwardTable(OverlayHost host, const std::vector<OverlayPeer>& peers);

  // The owner of the longest prefix that holds `address`; null if nobody's.
  const Endpoint4* find(Ip4 address) const;
  // Packets of ours are sent there. Costs more than find().
  bool is_endpoint(Ip4 address) const;

  const OverlayHost& host() const { return host_; }
  std::size_t size() const { return size_; }

 private:
  struct Slot {
    std::uint32_t base = 0;
    Endpoint4 endpoint;  // port 0: the slot is free
  };
  // All subnets of one length, by open addressing; at most half full.
  struct Level {
    std::uint32_t mask = 0;
    int shift = 0;  // the hash keeps this many top bits fewer than 64
    std::vector<Slot> slots;
  };

  static std::size_t home(const Level& level, std::uint32_t base);
  void fill(const std::vector<OverlayPeer>& peers);
  bool insert(Level& level, const OverlayPeer& peer);

  OverlayHost host_;
  std::vector<Level> levels_;   // longest prefix first
  std::vector<Ip4> endpoints_;  // sorted
  std::size_t size_ = 0;
};

}  // namespace flannel
