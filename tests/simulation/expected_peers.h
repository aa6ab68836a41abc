// SPDX-License-Identifier: Apache-2.0
// What a host shall make of the records in the store, by docs/etcd-keys.md alone and in the
// simplest way: not by the code under test.
#pragma once

#include <map>
#include <set>
#include <string>

#include "core/lease.h"
#include "core/registry.h"
#include "simulation/host.h"

namespace flannel::simulation {

struct ExpectedPeers {
  std::map<SubnetKey, LeaseAttributes> leases;  // that the host believes, its own among them
  std::set<std::string> same_mac;               // keys, set aside for the VTEP MAC of an older one
  std::set<std::string> our_ip_by_other_node;   // keys, set aside for the host's own public IP
};

// The subnets of the records do not overlap.
ExpectedPeers expected_peers(const Host& host, const Snapshot& all);

// What the host's kernel shall hold for its peers, and what it holds. `backend`: "host-gw" or
// "vxlan".
std::set<std::string> expected_rows(const Host& host, const ExpectedPeers& peers,
                                    const std::string& backend);
std::set<std::string> kernel_rows(const Host& host);

}  // namespace flannel::simulation
