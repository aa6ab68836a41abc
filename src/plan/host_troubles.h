// SPDX-License-Identifier: Apache-2.0
// What on this host, though none of it is flannel's, keeps packets of the overlay from passing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "net/address.h"
#include "plan/host_trouble.h"

namespace flannel {

// What a reader of the host has to know of the overlay.
struct HostQuery {
  Cidr4 network;
  Cidr4 own_subnet;
  std::vector<std::string> devices;  // by which packets of the overlay come in
};

// A route of the main table that is not ours, inside of the overlay's network.
struct OtherRoute {
  Cidr4 to;
  std::string device;        // empty: none of its own (unreachable, several next hops)
  std::uint32_t metric = 0;  // of two to one destination, that with the lower one is used
  bool operator==(const OtherRoute&) const = default;
};

// A chain of nftables that sees forwarded packets, in a table that is neither ours nor iptables'.
struct ForwardChain {
  std::string table;  // "inet firewalld"
  std::string chain;
  bool operator==(const ForwardChain&) const = default;
};

struct HostState {
  bool ip_forward = true;                        // net.ipv4.ip_forward
  std::vector<std::string> not_forwarding = {};  // of the devices asked for and of the bridges
  std::vector<std::string> bridges = {};         // devices with an address in our own subnet
  std::vector<OtherRoute> routes = {};           // in the order in which the kernel has them
  std::vector<ForwardChain> refusing_forward =
      {};  // they end by refusing what they have not accepted
  bool operator==(const HostState&) const = default;
};

struct OverlayView {
  Cidr4 network;
  Cidr4 own_subnet;
  std::vector<Cidr4> peers = {};  // sorted, without overlaps
  std::string device;             // by which our routes lead, for the text
  bool route_to_network = false;  // one route for all peers (udp), not one for each
};

// At most a few sentences, however many routes and peers there are.
std::vector<HostTrouble> host_troubles(const HostState& host, const OverlayView& overlay);

}  // namespace flannel
