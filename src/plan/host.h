// SPDX-License-Identifier: Apache-2.0
// What the host looks like: the facts from which interface and backends are chosen.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/address.h"

namespace flannel {

struct InterfaceAddress {
  Ip4 ip;
  std::uint8_t bits = 32;
  bool permanent = true;    // IFA_F_PERMANENT: configured, not leased by DHCP
  bool temporary = false;   // IFA_F_TEMPORARY / IFA_F_SECONDARY privacy addresses
  bool deprecated = false;  // IFA_F_DEPRECATED
  bool operator==(const InterfaceAddress&) const = default;
};

struct Interface {
  int index = 0;
  std::string name;
  std::uint32_t mtu = 0;
  bool up = false;                          // administratively
  bool carrier = true;                      // the link can carry packets; false also while down
  std::vector<InterfaceAddress> addresses;  // in the kernel's order
  bool operator==(const Interface&) const = default;
};

// What a route lookup to an address answers.
struct RouteLookup {
  int interface_index = 0;
  Ip4 source;                  // preferred source address
  std::optional<Ip4> gateway;  // nothing: the address is on the link
  bool operator==(const RouteLookup&) const = default;
};

struct DefaultRoute {
  std::optional<int> interface_index = {};  // nothing: a multipath route
  std::optional<Ip4> source = {};           // its `src`
  std::optional<Ip4> gateway = {};          // nothing: the whole world is on the link
  bool operator==(const DefaultRoute&) const = default;
};

// A route of the main table that another program or the kernel made.
struct HostRoute {
  Cidr4 to;
  int interface_index = 0;
  std::optional<Ip4> gateway = {};  // nothing: on the link
  std::uint32_t metric = 0;
  bool operator==(const HostRoute&) const = default;
};

// The underlay that was chosen: where encapsulated packets leave.
struct Underlay {
  std::string interface;
  int interface_index = 0;
  Ip4 ip;         // its address: source of what we send
  Ip4 public_ip;  // what peers send to; differs from `ip` behind NAT
  std::uint32_t mtu = 0;
  bool operator==(const Underlay&) const = default;
};

}  // namespace flannel
