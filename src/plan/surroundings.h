// SPDX-License-Identifier: Apache-2.0
// The addresses that a host uses outside of the overlay, and whether the overlay's networks contain
// them. docs/config.md, "Network and the addresses in use"
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/problem.h"
#include "net/address.h"
#include "plan/host.h"
#include "plan/underlay_choice.h"

namespace flannel {

struct AddressInUse {
  IpAddress ip;
  std::string what;  // "the gateway", "a name server"
  bool operator==(const AddressInUse&) const = default;
};

struct LocalAddress {
  std::string interface;
  IpAddress ip;
  std::uint8_t bits = 32;
  // True if no host of this link can have `other`: the network and broadcast addresses of IPv4, and
  // the subnet-router anycast address of IPv6 (RFC 4291, section 2.6.1).
  bool has_no_host(IpAddress other) const;
  bool operator==(const LocalAddress&) const = default;
};

// What competes with one network of the overlay for its packets.
struct NetworkRivals {
  IpPrefix network;
  std::optional<AddressInUse> link;  // of the underlay, if the network overlaps it
  // The device, neither ours nor the underlay, by which the kernel sends packets to the whole
  // network, even if our device has an address in the network; empty: none.
  std::string holder;
  bool operator==(const NetworkRivals&) const = default;
};

struct Surroundings {
  // Without duplicates, of both families; no route of the overlay may lead there. IPv6 link-local
  // ones are left out: every link has them, and no network of an overlay contains them.
  std::vector<AddressInUse> in_use;
  std::vector<LocalAddress> local;  // all addresses of the host except loopback
  std::vector<NetworkRivals> networks;
  bool operator==(const Surroundings&) const = default;
};

// `networks`: of the overlay; `endpoints`: addresses of the store; `devices`: our own devices.
Surroundings find_surroundings(const HostView& host, const Underlay& underlay,
                               std::span<const IpPrefix> networks,
                               std::span<const IpAddress> endpoints,
                               std::span<const std::string> devices);

// The first address in use that is in `net`; nullptr: none.
const AddressInUse* in_use_inside(const IpPrefix& net, const Surroundings& surroundings);

// `network` below is one of those for which the surroundings were found.

// Returns the problem that the network contains addresses in use; nullopt: it contains none.
std::optional<Problem> find_clash(const IpPrefix& network, const Surroundings& surroundings);

// Returns the problem that the holder gets the packets of a backend with one route to the whole
// network; nullopt: there is no holder.
std::optional<Problem> find_held(const IpPrefix& network, const Surroundings& surroundings);

// Returns the device that holds the network, see NetworkRivals; empty: none.
std::string holder_of(const IpPrefix& network, const Surroundings& surroundings);

// The addresses after "nameserver" in the text of a resolv.conf(5). A link-local one with its
// interface ("fe80::1%eth0") is left out: no network of an overlay contains it.
std::vector<IpAddress> parse_name_servers(std::string_view resolv_conf);

}  // namespace flannel
