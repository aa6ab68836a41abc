// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "net/address.h"

namespace flannel {

// This host's own part of the overlay.
struct OverlayHost {
  IpPrefix subnet;                // this host receives packets for it
  IpAddress tunnel_address = {};  // of the TUN device; the source of ICMP errors
  std::uint32_t mtu = 0;          // of the TUN device
  IpPrefix network = {};    // of all hosts; its first and last address are broadcast addresses
  bool accept_any = false;  // peers may send from another address than the one they announce (NAT)

  bool operator==(const OverlayHost&) const = default;
};

struct OverlayPeer {
  IpPrefix subnet;
  IpEndpoint endpoint;  // port not 0

  bool operator==(const OverlayPeer&) const = default;
};

// Maps each address of the overlay to the endpoint of the peer that owns it. Immutable, so packet
// threads share it. A look-up reads one cache line for each prefix length that occurs; usually all
// peers have the same, the SubnetLen.
//
// No endpoint of the table lies in a subnet of the table. If the routes of the host lead one of our
// datagrams back into the device, it therefore has no owner and is dropped: packets cannot loop,
// whatever the routes are.
class ForwardTable {
 public:
  // If two peers have the same subnet, the later one is used. Peers whose endpoint lies in our
  // subnet or in that of a peer are left out.
  ForwardTable(OverlayHost host, const std::vector<OverlayPeer>& peers);

  // Returns the endpoint of the longest prefix that contains `address`; null if there is none.
  const IpEndpoint* find(IpAddress address) const;
  // True if `address` is the endpoint of a peer. Slower than find().
  bool is_endpoint(IpAddress address) const;

  const OverlayHost& host() const { return host_; }
  std::size_t size() const { return size_; }

 private:
  struct Slot {
    std::uint32_t base = 0;
    IpEndpoint endpoint;  // port 0: the slot is free
  };
  // A hash table of all subnets of one prefix length: open addressing, at most half full.
  struct Level {
    std::uint32_t mask = 0;
    int shift = 0;  // the hash keeps the top 64 - shift bits
    std::vector<Slot> slots;
  };

  static std::size_t home(const Level& level, std::uint32_t base);
  void fill(const std::vector<OverlayPeer>& peers);
  bool insert(Level& level, const OverlayPeer& peer);

  OverlayHost host_;
  std::vector<Level> levels_;         // longest prefix first
  std::vector<IpAddress> endpoints_;  // sorted
  std::size_t size_ = 0;
};

}  // namespace flannel
