// SPDX-License-Identifier: Apache-2.0
// Chooses the subnet of this host from one snapshot, without I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "base/backoff.h"
#include "core/lease.h"
#include "core/network_config.h"
#include "core/store_feed.h"

namespace flannel {

struct DecodedRecord {
  Record record;
  Lease lease;
};

// The records of one snapshot. Keys that are no subnet keys are left out.
struct DecodedRecords {
  std::vector<DecodedRecord> leases;  // sorted by key
  std::vector<SubnetKey> unreadable;  // subnets whose owner is unknown; they must not be taken
};
DecodedRecords decode_records(std::span<const Record> records);

// Our own record exists and fits the configuration: write our attributes into it.
struct Reuse {
  DecodedRecord own;
};
// Our own lease is not to be used: delete it, then choose again. It is never a reservation, which
// belongs to the operator, unless the reservation that takes its place exists.
struct Discard {
  DecodedRecord own;
};
// Create a record for this subnet, and then choose again if other hosts can have taken a part of
// it at the same time.
struct Create {
  SubnetKey subnet;
  // Our own record, of which the new one keeps a subnet. It stays until the new one exists, so that
  // no other host can take that subnet. If it is a reservation, so is the new one.
  std::optional<DecodedRecord> former{};
};
// Another node wrote this record, and only its public IP indicates that the node may have been this
// host: take the record over, unless that node is still alive.
struct TakeOver {
  DecodedRecord theirs;
};
using SubnetChoice = std::variant<Reuse, Discard, Create, TakeOver>;

// The facts about this host that the choice depends on.
struct Chooser {
  HostIdentity host;  // `host.subnet` is the previous subnet
  // The public IP is an address of our own interface and not of a NAT router, so no other host can
  // receive packets for it: a record with this public IP may be taken over.
  bool address_is_ours = false;
};

// Chooses in upstream's order: our own record (HostIdentity::owns; of several one that fits, then
// the surest, then the previous subnet), the previous subnet if no record overlaps it, a record to
// take over (only if no previous subnet of either family is free), otherwise a random free subnet.
// If the previous subnet is free, an own lease (not a reservation) on another subnet is not used.
// SubnetLen, SubnetMin and SubnetMax decide about new subnets, and not about the previous one.
//
// Each family is chosen for itself, with these rules for both: an own record that has one of the
// chosen subnets is exchanged for one that has them all. A free IPv6 subnet is preferably that with
// the number of the IPv4 subnet, so that hosts that choose at the same time choose different ones.
// If an older record of another host overlaps an own lease in a family, another subnet is chosen,
// also in place of the previous one: all hosts use the older lease. Two hosts can create records at
// the same time that overlap in one family, and a restored store can bring back such records.
//
// A subnet that contains an address of `keep_clear_of` is not free. Records outside of the network
// are ignored. ErrorKind::exhausted: no subnet is free.
Result<SubnetChoice> choose_subnet(const NetworkConfig& config, const DecodedRecords& records,
                                   const Chooser& chooser, const Random& random,
                                   std::span<const IpAddress> keep_clear_of = {});

// Our reservations of which the configuration allows no subnet: they remain, and another subnet is
// chosen.
std::vector<SubnetKey> reservations_without_effect(const NetworkConfig& config,
                                                   const DecodedRecords& records,
                                                   const HostIdentity& host);

// True if a host that has `key` may keep it under this configuration: it has a subnet inside of the
// network of each enabled family, and no other.
bool can_be_kept(const NetworkConfig& config, const SubnetKey& key);

}  // namespace flannel
