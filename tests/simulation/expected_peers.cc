// SPDX-License-Identifier: Apache-2.0
#include "simulation/expected_peers.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "backend/vxlan.h"
#include "simulation/claims.h"

namespace flannel::simulation {
namespace {

struct Announced {
  const Record* record;
  SubnetKey subnet;
  LeaseAttributes attributes;
};

// Hosts whose subnets are in a network of before keep them, so that is used still.
bool is_in_network(const Host& host, const IpPrefix& subnet) {
  return host.process().config()->at(subnet.family()) &&
         std::ranges::any_of(host.networks_since_start,
                             [&](const IpPrefix& network) { return network.contains(subnet); });
}

bool is_in_network(const Host& host, const SubnetKey& subnet) {
  return std::ranges::any_of(values_of(subnet),
                             [&](const IpPrefix& one) { return is_in_network(host, one); });
}

// A record is used if the network has one of its subnets, and one of its addresses can be a host's.
// What it says of another address is left out; nullopt: it cannot be used.
std::optional<LeaseAttributes> usable(const Host& host, const SubnetKey& subnet,
                                      LeaseAttributes says) {
  const PublicIps announced = says.public_ips();
  for (const Family family : kFamilies) {
    const auto& ip = announced.at(family);
    if (ip && !ip->is_loopback()) continue;
    says.data(family).clear();
    if (family == Family::v4) says.public_ip = IpAddress();
    if (family == Family::v6) says.public_ip6.reset();
  }
  const bool has_address = !values_of(says.public_ips()).empty();
  return is_in_network(host, subnet) && has_address ? std::optional(says) : std::nullopt;
}

std::vector<Announced> by_age(const Host& host, const Snapshot& all) {
  std::vector<Announced> announced;
  for (const Record& record : all.records) {
    const auto subnet = decode_subnet_key(record.key);
    const auto says = decode_lease_value(record.value);
    const auto used = subnet && says ? usable(host, *subnet, *says) : std::nullopt;
    if (used) announced.push_back({&record, *subnet, *used});
  }
  std::sort(announced.begin(), announced.end(), [](const auto& one, const auto& other) {
    return std::pair(one.record->created, one.record->key) <
           std::pair(other.record->created, other.record->key);
  });
  return announced;
}

// Another node says that it has an address of this host.
bool claims_address_of(const Host& host, const Announced& other) {
  if (host.daemon != Host::Daemon::whole) return false;
  const PublicIps ours = host.used_ips();
  const PublicIps theirs = other.attributes.public_ips();
  if (!ours.shared_with(theirs)) return false;
  const auto& node = other.attributes.node;
  const Family decides = ours.v4 && theirs.v4 ? Family::v4 : Family::v6;
  const bool same_ip = ours.at(decides) && ours.at(decides) == theirs.at(decides);
  const bool same_boot = node && node->boot == host.boot();
  if (node && node->id == host.node_id && (same_ip || same_boot)) return false;
  if (!same_ip) return true;
  return node && !same_boot &&
         !(host.subnet_in_file && host.subnet_in_file->shares_subnet_with(other.subnet));
}

// Of leases that overlap in a family the oldest is used, and of leases with one VTEP that have
// different addresses, too.
class Standing {
 public:
  bool overlaps(const SubnetKey& subnet) const {
    return std::ranges::any_of(subnets_,
                               [&](const SubnetKey& one) { return one.overlaps(subnet); });
  }
  void add(const SubnetKey& subnet) { subnets_.push_back(subnet); }
  // Also takes what nobody has yet.
  bool has_vteps_of_others(const LeaseAttributes& attributes) {
    bool any = false;
    for (const Family family : kFamilies) {
      const std::string vtep = vtep_of(attributes, family);
      if (vtep.empty()) continue;
      const auto ip = attributes.public_ips().at(family).value();
      const bool crowded = ++leases_of_[vtep] > 8;
      any = owners_.try_emplace(vtep, ip).first->second != ip || crowded || any;
    }
    return any;
  }

 private:
  std::vector<SubnetKey> subnets_;
  std::map<std::string, IpAddress> owners_;  // of VTEPs
  std::map<std::string, int> leases_of_;
};

// The address to which packets for the peer's subnet of a family go; nullopt: it cannot be reached.
std::optional<IpAddress> way_to(const PublicIps& ours, const PublicIps& theirs, Family family,
                                const std::string& backend) {
  if (ours.at(family) && theirs.at(family)) return theirs.at(family);
  // Linux routes IPv4 by an IPv6 gateway, but not the reverse.
  if (backend == "host-gw" && family == Family::v6) return std::nullopt;
  const Family other = family == Family::v4 ? Family::v6 : Family::v4;
  return ours.at(other) ? theirs.at(other) : std::nullopt;
}

// The configuration has it, and so has the lease.
bool has_family(const Host& host, Family family) {
  return host.process().config()->at(family) && host.lease()->subnet.at(family);
}

bool has_common_family(const Host& host, const SubnetKey& peer) {
  return std::ranges::any_of(
      kFamilies, [&](Family family) { return peer.at(family) && has_family(host, family); });
}

void add_rows(const IpPrefix& subnet, const LeaseAttributes& peer, const IpAddress& ip,
              std::set<std::string>& rows) {
  if (peer.backend_type == "host-gw") {
    rows.insert(fmt::format("{} via {}", to_string(subnet), to_string(ip)));
    return;
  }
  const std::string mac = to_string(decode_vxlan_data(peer.data(ip.family))->vtep_mac);
  rows.insert(fmt::format("{} via {}", to_string(subnet), to_string(subnet.base)));
  rows.insert(fmt::format("{} at {}", to_string(subnet.base), mac));
  rows.insert(fmt::format("{} to {}", mac, to_string(ip)));
}

}  // namespace

std::set<std::string> keys_outside(const Host& host, const Snapshot& all) {
  std::set<std::string> keys;
  for (const Record& record : all.records) {
    const auto key = decode_subnet_key(record.key);
    if (!key || !is_in_network(host, *key)) keys.insert(record.key);
  }
  return keys;
}

bool is_unrecognised(const Host& host, const LeaseAttributes& says) {
  const bool other_node = says.node && says.node->id != host.node_id;
  const bool other_boot = says.node && says.node->boot != host.boot();
  return (other_node || other_boot) && name_of(says) != host.public_ip;
}

std::set<std::string> unrecognised(const Host& host, const Snapshot& all) {
  std::set<std::string> keys = expected_peers(host, all).our_ip_by_other_node;
  for (const Record& record : all.records) {
    const auto says = decode_lease_value(record.value);
    if (says && is_unrecognised(host, *says)) keys.insert(record.key);
  }
  return keys;
}

std::set<std::string> keys_unused(const Host& host, const Snapshot& all) {
  std::set<std::string> keys = keys_outside(host, all);
  Standing standing;
  for (const Announced& one : by_age(host, all)) {
    if (standing.overlaps(one.subnet)) {
      keys.insert(one.record->key);
    } else {
      standing.add(one.subnet);
    }
  }
  return keys;
}

ExpectedPeers expected_peers(const Host& host, const Snapshot& all) {
  ExpectedPeers expected;
  Standing standing;
  for (const Announced& one : by_age(host, all)) {
    if (claims_address_of(host, one)) {
      expected.our_ip_by_other_node.insert(one.record->key);
      continue;
    }
    if (standing.overlaps(one.subnet)) continue;
    standing.add(one.subnet);
    if (standing.has_vteps_of_others(one.attributes)) {
      expected.same_mac.insert(one.record->key);
    } else {
      expected.leases.emplace(one.subnet, one.attributes);
    }
  }
  return expected;
}

ExpectedRows expected_rows(const Host& host, const ExpectedPeers& peers) {
  ExpectedRows rows;
  const PublicIps ours = host.used_ips();
  for (const auto& [subnets, peer] : peers.leases) {
    if (subnets == host.lease()->subnet || peer.public_ips().shared_with(ours)) continue;
    // One with another backend than the host's is reached by its own.
    bool reached = !peer.backend_type.empty() && has_common_family(host, subnets);
    for (const IpPrefix& subnet : reached ? values_of(subnets) : std::vector<IpPrefix>()) {
      if (!has_family(host, subnet.family())) continue;
      // The network became smaller before this host was started.
      if (!is_in_network(host, subnet)) {
        reached = false;
        continue;
      }
      // One that another host has taken.
      const bool ours_too = subnet.overlaps(*host.lease()->subnet.at(subnet.family()));
      const auto ip = ours_too
                          ? std::nullopt
                          : way_to(ours, peer.public_ips(), subnet.family(), peer.backend_type);
      reached = reached && ip;
      if (ip) add_rows(subnet, peer, *ip, rows.rows);
    }
    rows.all_reached = rows.all_reached && reached;
  }
  return rows;
}

namespace {

// A daemon that is started again with another backend leaves the device of the former one, with its
// entries, which are without effect.
bool is_in_use(const Host& host, const std::string& link) {
  return std::ranges::any_of(host.kernel.state().routes,
                             [&](const Route& route) { return route.link == link; });
}

}  // namespace

std::vector<Neighbour> neighbours(const Host& host) {
  const NetworkConfig& config = *host.process().config();
  std::vector<Neighbour> used = host.kernel.state().neighbours;
  std::erase_if(used, [&](const Neighbour& neighbour) {
    const Family underlay =
        neighbour.link.find("-v6.") != std::string::npos ? Family::v6 : Family::v4;
    return !config.at(neighbour.ip.family) || !config.at(underlay) ||
           !is_in_use(host, neighbour.link);
  });
  return used;
}

std::set<std::string> kernel_rows(const Host& host) {
  std::set<std::string> rows;
  const NetState& state = host.kernel.state();
  const NetworkConfig& config = *host.process().config();
  for (const Route& route : state.routes) {
    if (!config.at(route.to.family())) continue;
    rows.insert(fmt::format("{} via {}", to_string(route.to), to_string(route.via)));
  }
  for (const Neighbour& neighbour : neighbours(host)) {
    rows.insert(fmt::format("{} at {}", to_string(neighbour.ip), to_string(neighbour.mac)));
  }
  for (const FdbEntry& entry : state.fdb) {
    if (!config.at(entry.remote.family) || !is_in_use(host, entry.link)) continue;
    rows.insert(fmt::format("{} to {}", to_string(entry.mac), to_string(entry.remote)));
  }
  return rows;
}

}  // namespace flannel::simulation
