// SPDX-License-Identifier: Apache-2.0
// What a host shall make of the records in the store, by docs/etcd-keys.md alone and in the
// simplest way: not by the code under test.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/lease.h"
#include "core/registry.h"
#include "simulation/host.h"

namespace flannel::simulation {

struct ExpectedPeers {
  std::map<SubnetKey, LeaseAttributes> leases;  // that the host believes, its own among them
  std::set<std::string> same_mac;               // keys, set aside for the VTEP MAC of an older one
  std::set<std::string> our_ip_by_other_node;   // keys, set aside for an address of the host's own
};

// The keys of the records that the host does not use, since no network that it has, or had since
// its start, has one of their subnets.
std::set<std::string> keys_outside(const Host& host, const Snapshot& all);

// These, and the keys of records that are set aside because an older one has one of their subnets.
std::set<std::string> keys_unused(const Host& host, const Snapshot& all);

// As the configuration of the host's daemon, which has one, has it.
ExpectedPeers expected_peers(const Host& host, const Snapshot& all);

// True for a record that the host wrote before it had another address, and booted or lost its state
// folder, as a restored store may have it. The host does not tell it from that of a copy, or of
// another host.
bool is_unrecognised(const Host& host, const LeaseAttributes& says);
// The keys of all such records, and of those with its address by another node.
std::set<std::string> unrecognised(const Host& host, const Snapshot& all);

// What the kernel of a host with a lease shall hold for its peers, in the families of the host's
// configuration.
struct ExpectedRows {
  std::set<std::string> rows;
  bool all_reached = true;  // false: a peer cannot be reached in a family that both hosts have
};
ExpectedRows expected_rows(const Host& host, const ExpectedPeers& peers);
// What it holds of these families. Objects of a family that was no longer enabled when its daemon
// was started stay, and so do all on the device of its underlay.
std::set<std::string> kernel_rows(const Host& host);
// The entries of its neighbours that are in use.
std::vector<Neighbour> neighbours(const Host& host);

}  // namespace flannel::simulation
