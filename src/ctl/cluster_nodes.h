// SPDX-License-Identifier: Apache-2.0
// The hosts of a cluster, as the lease records in its store show them.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/lease.h"
#include "core/store_feed.h"

namespace flannel {

struct NodeRecord {
  Record record;
  Lease lease;
};

// A host and its records, the one that was changed last first. A host has one record, and a second
// one while the families of its lease change.
struct ClusterNode {
  std::vector<NodeRecord> records;  // at least one

  const NodeRecord& present() const { return records.front(); }
  const LeaseAttributes& attributes() const { return present().lease.attributes; }
  // nullopt: another flannel or an operator wrote the record.
  std::optional<NodeId> id() const;
  bool has(const IpAddress& ip) const;
  // Returns each subnet of the records once.
  std::vector<IpPrefix> subnets() const;
};

std::string to_string(std::span<const IpPrefix> subnets);  // "10.5.7.0/24,fd00:12::/64"

// Returns the hosts of all records that are leases, whether or not other hosts use them, in the
// order of their keys. Records of one node id are of one host if they also agree in boot or public
// IP; otherwise one of the two hosts is a copy.
std::vector<ClusterNode> nodes_of(const Snapshot& snapshot);

// The number of digits of a node id, at least 8, by which the ids of these hosts differ.
std::size_t short_id_length(std::span<const ClusterNode> nodes);

// Returns the host that `word` names: its node id or the first digits of it (4 or more), a public
// IP, or a subnet. An error if there is none or if there are several.
Result<const ClusterNode*> find_node(std::span<const ClusterNode> nodes, const std::string& word);

}  // namespace flannel
