// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "dataplane/peer_bytes.h"
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
  // subnet or in that of a peer are left out. A peer that `before` has with the same subnet and
  // endpoint goes on with its bytes; null: there was no table.
  ForwardTable(const OverlayHost& host, const std::vector<OverlayPeer>& peers,
               const ForwardTable* before = nullptr);

  // Returns the endpoint of the longest prefix that contains `address`; null if there is none.
  const IpEndpoint* find(const IpAddress& address) const {
    const PeerEntry* peer = find_peer(address);
    return peer == nullptr ? nullptr : &peer->endpoint;
  }
  // The same with what is counted.
  const PeerEntry* find_peer(const IpAddress& address) const {
    return address.is_v4() ? subnets4_.find(address) : subnets6_.find(address);
  }
  // The bytes to and from a peer that find_peer() has returned.
  PeerBytes& bytes_of(const PeerEntry& peer) const { return *bytes_[peer.number]; }
  // The bytes to and from this subnet of a peer; null: the table does not have it.
  const PeerBytes* bytes_of(const IpPrefix& subnet) const;
  // True if `address` is the endpoint of a peer. Slower than find().
  bool is_endpoint(const IpAddress& address) const;

  const OverlayHost& host() const { return host_; }
  std::size_t size() const { return subnets4_.size() + subnets6_.size(); }  // subnets of peers

 private:
  struct Counted {
    IpEndpoint endpoint;
    std::uint32_t number = 0;
  };

  void fill(const std::vector<OverlayPeer>& peers, const ForwardTable* before);
  std::shared_ptr<PeerBytes> bytes_at(const IpPrefix& subnet, const IpEndpoint& endpoint) const;

  OverlayHost host_;
  PrefixTable<Ip4Number> subnets4_;
  PrefixTable<Ip6Number> subnets6_;
  std::vector<IpAddress> endpoints_;  // sorted
  std::map<IpPrefix, Counted> counted_;
  // By number. Shared with the tables before and after this one.
  std::vector<std::shared_ptr<PeerBytes>> bytes_;
};

}  // namespace flannel
