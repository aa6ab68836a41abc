// SPDX-License-Identifier: Apache-2.0
#include "simulation/expected_peers.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "simulation/claims.h"

namespace flannel::simulation {
namespace {

struct Announced {
  const Record* record;
  SubnetKey subnet;
  LeaseAttributes attributes;
};

std::vector<Announced> by_age(const Snapshot& all) {
  std::vector<Announced> announced;
  for (const Record& record : all.records) {
    const auto subnet = decode_subnet_key(record.key);
    const auto says = decode_lease_value(record.value);
    if (!subnet || !says || says->public_ip.is_loopback()) continue;
    announced.push_back({&record, *subnet, *says});
  }
  std::sort(announced.begin(), announced.end(), [](const auto& one, const auto& other) {
    return std::pair(one.record->created, one.record->key) <
           std::pair(other.record->created, other.record->key);
  });
  return announced;
}

// Another node says that it has the address of this host.
bool claims_address_of(const Host& host, const Announced& other) {
  const auto& node = other.attributes.node;
  if (host.daemon != Host::Daemon::whole || !node) return false;
  return other.attributes.public_ip == host.public_ip && node->id != host.node_id &&
         node->boot != host.boot() &&
         !(host.subnet_in_file && host.subnet_in_file->shares_subnet_with(other.subnet));
}

}  // namespace

ExpectedPeers expected_peers(const Host& host, const Snapshot& all) {
  ExpectedPeers expected;
  std::map<std::string, IpAddress> owners;  // of MACs
  std::map<std::string, int> leases_of;
  for (const Announced& one : by_age(all)) {
    if (claims_address_of(host, one)) {
      expected.our_ip_by_other_node.insert(one.record->key);
      continue;
    }
    const std::string mac = mac_of(one.attributes);
    const IpAddress owner = mac.empty()
                                ? one.attributes.public_ip
                                : owners.try_emplace(mac, one.attributes.public_ip).first->second;
    const bool crowded = !mac.empty() && ++leases_of[mac] > 8;
    if (owner == one.attributes.public_ip && !crowded) {
      expected.leases.emplace(one.subnet, one.attributes);
    } else {
      expected.same_mac.insert(one.record->key);
    }
  }
  return expected;
}

std::set<std::string> expected_rows(const Host& host, const ExpectedPeers& peers,
                                    const std::string& backend) {
  std::set<std::string> rows;
  for (const auto& [subnet, peer] : peers.leases) {
    if (subnet == host.lease()->subnet || peer.public_ip == host.public_ip) continue;
    if (peer.backend_type != backend) continue;
    const std::string ip = to_string(peer.public_ip);
    if (backend == "host-gw") {
      rows.insert(fmt::format("{} via {}", to_string(subnet.identity()), ip));
      continue;
    }
    const std::string base = to_string(subnet.identity().base);
    rows.insert(fmt::format("{} via {}", to_string(subnet.identity()), base));
    rows.insert(fmt::format("{} at {}", base, mac_of(peer)));
    rows.insert(fmt::format("{} to {}", mac_of(peer), ip));
  }
  return rows;
}

std::set<std::string> kernel_rows(const Host& host) {
  std::set<std::string> rows;
  const NetState& state = host.kernel.state();
  for (const Route& route : state.routes)
    rows.insert(fmt::format("{} via {}", to_string(route.to), to_string(route.via)));
  for (const Neighbour& neighbour : state.neighbours)
    rows.insert(fmt::format("{} at {}", to_string(neighbour.ip), to_string(neighbour.mac)));
  for (const FdbEntry& entry : state.fdb)
    rows.insert(fmt::format("{} to {}", to_string(entry.mac), to_string(entry.remote)));
  return rows;
}

}  // namespace flannel::simulation
