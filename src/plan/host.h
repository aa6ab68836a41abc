// SPDX-License-Identifier: Apache-2.0
// Facts about the host, from which the underlay and the backend's objects are chosen.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/address.h"

namespace flannel {

struct InterfaceAddress {
  IpAddress ip;
  std::uint8_t bits = 32;
  bool permanent = true;    // IFA_F_PERMANENT: configured, not leased by DHCP or router-advertised
  bool temporary = false;   // IFA_F_TEMPORARY: privacy address; the same bit in IPv4: secondary
  bool deprecated = false;  // IFA_F_DEPRECATED
  bool unproven = false;    // IFA_F_TENTATIVE, IFA_F_DADFAILED: not (yet) shown to be unique
  bool operator==(const InterfaceAddress&) const = default;
};

struct Interface {
  int index = 0;
  std::string name;
  std::uint32_t mtu = 0;
  bool up = false;                          // administratively
  bool carrier = true;                      // the link can carry packets; also false while down
  std::vector<InterfaceAddress> addresses;  // in the kernel's order
  // Forwards IPv6, and therefore ignores router advertisements that it would else take (accept_ra
  // is 1). Known only of interfaces with an IPv6 address that is not link-local.
  bool ignores_advertisements = false;
  bool operator==(const Interface&) const = default;
};

// The answer to a route lookup for an address.
struct RouteLookup {
  int interface_index = 0;
  IpAddress source;                  // preferred source address
  std::optional<IpAddress> gateway;  // nullopt: the address is on the link
  bool operator==(const RouteLookup&) const = default;
};

struct DefaultRoute {
  Family family = Family::v4;
  std::optional<int> interface_index = {};  // nullopt: a multipath route
  std::optional<IpAddress> source = {};     // its `src`
  std::optional<IpAddress> gateway = {};    // nullopt: all addresses are on the link
  bool advertised = false;                  // it is from a router advertisement (RTPROT_RA)
  bool operator==(const DefaultRoute&) const = default;
};

// A route of the main table that another program or the kernel made.
struct HostRoute {
  IpPrefix to;
  int interface_index = 0;
  std::optional<IpAddress> gateway = {};  // nullopt: on the link
  std::uint32_t metric = 0;
  bool operator==(const HostRoute&) const = default;
};

struct UnderlayAddress {
  IpAddress ip;         // of the interface: the source of the packets that we send
  IpAddress public_ip;  // the address that peers send to; differs from `ip` behind NAT
  bool is_behind_nat() const { return public_ip != ip; }
  bool operator==(const UnderlayAddress&) const = default;
};

// The chosen underlay: the interface by which encapsulated packets leave, with its address of each
// family; it has at least one.
struct Underlay {
  std::string interface;
  int interface_index = 0;
  std::uint32_t mtu = 0;
  std::optional<UnderlayAddress> v4 = {};
  std::optional<UnderlayAddress> v6 = {};

  const std::optional<UnderlayAddress>& at(Family family) const {
    return family == Family::v4 ? v4 : v6;
  }
  std::optional<UnderlayAddress>& at(Family family) { return family == Family::v4 ? v4 : v6; }
  bool operator==(const Underlay&) const = default;
};

}  // namespace flannel
