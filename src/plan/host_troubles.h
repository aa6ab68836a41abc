// SPDX-License-Identifier: Apache-2.0
// Finds settings and objects of this host that are not flannel's and that keep packets of the
// overlay from passing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "net/address.h"
#include "plan/host_trouble.h"

namespace flannel {

// The part of the overlay's configuration that is needed to read a HostState, of one family: that
// of `network`.
struct HostQuery {
  IpPrefix network;
  IpPrefix own_subnet;
  std::vector<std::string> devices;  // devices by which packets of the overlay arrive

  Family family() const { return network.family(); }
};

// A route of the main table into the overlay's network that is not ours.
struct OtherRoute {
  IpPrefix to;
  std::string device;        // empty: no single device (unreachable, several next hops)
  std::uint32_t metric = 0;  // the kernel uses the route with the lowest metric
  bool operator==(const OtherRoute&) const = default;
};

// An nftables chain for forwarded packets, in a table that is neither ours nor of iptables.
struct ForwardChain {
  std::string table;  // "inet firewalld"
  std::string chain;
  bool operator==(const ForwardChain&) const = default;
};

// What was read of the host, in the family of the query.
struct HostState {
  bool ip_forward = true;  // net.ipv4.ip_forward or net.ipv6.conf.all.forwarding
  // Queried devices and bridges that do not forward what they receive. In IPv6 there are none if
  // ip_forward is true.
  std::vector<std::string> not_forwarding = {};
  std::vector<std::string> bridges = {};            // devices with an address in our own subnet
  std::vector<OtherRoute> routes = {};              // in the kernel's order
  std::vector<ForwardChain> refusing_forward = {};  // refuse all packets that they do not accept
  bool operator==(const HostState&) const = default;
};

// The overlay in one family: that of `network`.
struct OverlayView {
  IpPrefix network;
  IpPrefix own_subnet;
  std::vector<IpPrefix> peers = {};  // sorted, without overlaps
  std::string device;                // the device of our routes, for the text
  bool route_to_network = false;     // one route for all peers (udp) instead of one for each
};

// `host` and `overlay` are of the same family. Returns at most a few troubles, for any number of
// routes and peers.
std::vector<HostTrouble> host_troubles(const HostState& host, const OverlayView& overlay);

}  // namespace flannel
