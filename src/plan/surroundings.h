// SPDX-License-Identifier: Apache-2.0
// What a host uses outside of the overlay, and whether the overlay's network would take it along.
// docs/config.md, "Network and the addresses in use"
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"
#include "plan/host.h"
#include "plan/underlay_choice.h"

namespace flannel {

struct AddressInUse {
  Ip4 ip;
  std::string what;  // "the gateway", "a name server"
  bool operator==(const AddressInUse&) const = default;
};

struct LocalAddress {
  std::string interface;
  Ip4 ip;
  std::uint8_t bits = 32;
  // The first or last address of its link, which no host has.
  bool has_no_host(Ip4 other) const;
  bool operator==(const LocalAddress&) const = default;
};

struct Surroundings {
  std::vector<AddressInUse> in_use;  // each once; no route of the overlay may lead there
  std::vector<LocalAddress> local;   // all addresses of the host but loopback
  std::optional<AddressInUse> link;  // the underlay's, if the network overlaps it
  // Another device than ours or the underlay by which the kernel sends packets to the network as a
  // whole, whatever route of that length we add; empty: none.
  std::string holder;
  bool operator==(const Surroundings&) const = default;
};

// `endpoints`: of the store; `devices`: ours.
Surroundings look_around(const HostView& host, const Underlay& underlay, const Cidr4& network,
                         std::span<const Ip4> endpoints, std::span<const std::string> devices);

// The first address in use that is in `net`; null: none.
const AddressInUse* in_use_inside(const Cidr4& net, const Surroundings& surroundings);

// What of the host's surroundings the network contains, and what that means, in a sentence for
// people; nothing: it contains none of it.
std::optional<std::string> find_clash(const Cidr4& network, const Surroundings& surroundings);

// What the holder of the network means for a backend that has one route for all of it, and what to
// do; nothing: there is none.
std::optional<std::string> find_held(const Cidr4& network, const Surroundings& surroundings);

// The IPv4 addresses after "nameserver" in the text of a resolv.conf(5).
std::vector<Ip4> parse_name_servers(std::string_view resolv_conf);

}  // namespace flannel
