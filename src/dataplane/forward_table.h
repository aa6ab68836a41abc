// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dataplane/prefix_table.h"
#include "net/address.h"

namespace flannel {

// What this host has of one family of the overlay.
struct OwnSubnet {
  IpPrefix subnet;                // this host receives packets for it
  IpAddress tunnel_address = {};  // of the TUN device; the source of ICMP errors
  // The network of all hosts. The first and last address of an IPv4 network are broadcast
  // addresses.
  IpPrefix network = {};

  bool operator==(const OwnSubnet&) const = default;
};

// This host's own part of the overlay.
struct OverlayHost {
  std::optional<OwnSubnet> v4 = {};
  std::optional<OwnSubnet> v6 = {};
  std::uint32_t mtu = 0;    // of the TUN device
  bool accept_any = false;  // peers may send from another address than the one they announce (NAT)

  const std::optional<OwnSubnet>& at(Family family) const { return family == Family::v4 ? v4 : v6; }
  std::optional<OwnSubnet>& at(Family family) { return family == Family::v4 ? v4 : v6; }
  // True if the address is in our subnet.
  bool owns(const IpAddress& address) const {
    const auto& own = at(address.family);
    return own && own->subnet.contains(address);
  }
  bool operator==(const OverlayHost&) const = default;
};

// Maps each address of the overlay to the endpoint of the peer that owns it. Immutable, so packet
// threads share it.
//
// No endpoint of the table lies in a subnet of the table. If the routes of the host lead one of our
// datagrams back into the device, it therefore has no owner and is dropped: packets cannot loop,
// whatever the routes are.
class ForwardTable {
 public:
  // If two peers have the same subnet, the later one is used. Peers whose endpoint lies in our
  // subnet or in that of a peer are left out.
  ForwardTable(const OverlayHost& host, const std::vector<OverlayPeer>& peers);

  // Returns the endpoint of the longest prefix that contains `address`; null if there is none.
  const IpEndpoint* find(const IpAddress& address) const {
    return address.is_v4() ? subnets4_.find(address) : subnets6_.find(address);
  }
  // True if `address` is the endpoint of a peer. Slower than find().
  bool is_endpoint(const IpAddress& address) const;

  const OverlayHost& host() const { return host_; }
  std::size_t size() const { return subnets4_.size() + subnets6_.size(); }  // subnets of peers

 private:
  void fill(const std::vector<OverlayPeer>& peers);

  OverlayHost host_;
  PrefixTable<Ip4Number> subnets4_;
  PrefixTable<Ip6Number> subnets6_;
  std::vector<IpAddress> endpoints_;  // sorted
};

}  // namespace flannel
