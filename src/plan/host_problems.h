// SPDX-License-Identifier: Apache-2.0
// Finds settings and objects of this host that are not flannel's and that keep packets of the
// overlay from passing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/problem.h"
#include "net/address.h"

namespace flannel {

// The part of the overlay's configuration that is needed to read a HostState, of one family: that
// of `network`.
struct HostQuery {
  IpPrefix network;
  IpPrefix own_subnet;
  std::vector<std::string> devices;  // devices by which packets of the overlay arrive
  bool ports = false;  // read the ports of bridges, which are the same for all families
  // The device by which packets of peers arrive to which ours leave by another one; empty: none.
  std::string one_way = {};

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

// A container's link to the bridge.
struct BridgePort {
  std::string bridge;
  std::string device;
  std::uint32_t mtu = 0;
  bool operator==(const BridgePort&) const = default;
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
  std::vector<BridgePort> ports = {};               // if the query asks for them
  bool one_way_is_strict = false;  // the query's device `one_way` has rp_filter 1 in force
  // Packets that rp_filter has dropped since the host was booted, now and at the check before.
  std::uint64_t refused_sources = 0;
  std::uint64_t refused_before = 0;
  bool operator==(const HostState&) const = default;
};

// The overlay in one family: that of `network`.
struct OverlayView {
  IpPrefix network;
  IpPrefix own_subnet;
  std::vector<IpPrefix> peers = {};  // sorted, without overlaps
  std::string device;                // the device of our routes, for the text
  bool route_to_network = false;     // one route for all peers (udp) instead of one for each
  std::uint32_t mtu = 0;             // that subnet.env gives to containers
  // Peers whose packets arrive by the device `one_way`, and to which ours leave by another one.
  std::vector<IpPrefix> one_way_peers = {};
  std::string one_way = {};
};

// `host` and `overlay` are of the same family. Of any number of routes in the way of ours, ten are
// named.
std::vector<Problem> host_problems(const HostState& host, const OverlayView& overlay);

}  // namespace flannel
