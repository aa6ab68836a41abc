// SPDX-License-Identifier: Apache-2.0
// Which subnet this host should have: decided from one snapshot, without asking anybody.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "base/backoff.h"
#include "core/lease.h"
#include "core/network_config.h"
#include "core/registry.h"

namespace flannel {

struct DecodedRecord {
  Record record;
  Lease lease;
};

// The records of one moment. Keys that are no subnet keys concern nobody here.
struct DecodedRecords {
  std::vector<DecodedRecord> leases;  // by key
  std::vector<Cidr4> unreadable;      // whose they are cannot be told; not to be taken
};
DecodedRecords decode_records(std::span<const Record> records);

// Our own record is there and fits the configuration: write our attributes into it.
struct Reuse {
  DecodedRecord own;
};
// Our own lease does not fit the configuration any more: delete it, then decide again. Never a
// reservation, which is the operator's.
struct Discard {
  DecodedRecord own;
};
// Create a record for this subnet.
struct Create {
  Cidr4 subnet;
};
// Another node wrote this record, and nothing but its public IP says that it may have been us: make
// it ours, unless that node still lives.
struct TakeOver {
  DecodedRecord theirs;
};
using SubnetChoice = std::variant<Reuse, Discard, Create, TakeOver>;

// Who chooses.
struct Chooser {
  HostIdentity host;  // its `subnet`: the previous one
  // The public IP is an address of our own interface and not of a router before us, so that no
  // other host can receive by it: a record may be taken over by it alone.
  bool address_is_ours = false;
};

// Upstream's order: the own record (HostIdentity::owns; of several one that fits, then the surest,
// then the previous subnet), the previous subnet if no record overlaps it, a record to take over,
// else one of all free subnets at random. But for an own lease (no reservation) elsewhere while the
// previous subnet is free: that is discarded. A subnet around an address of `keep_clear_of` is not
// free. Records on subnets outside of the network hinder nobody. ErrorKind::exhausted: none is
// free.
Result<SubnetChoice> choose_subnet(const NetworkConfig& config, const DecodedRecords& records,
                                   const Chooser& chooser, const Random& random,
                                   std::span<const Ip4> keep_clear_of = {});

// Reservations for us that do not fit the configuration: they stay, and another subnet is taken.
std::vector<SubnetKey> reservations_without_effect(const NetworkConfig& config,
                                                   const DecodedRecords& records,
                                                   const HostIdentity& host);

// A lease on `key` may be kept under this configuration.
bool fits(const NetworkConfig& config, const SubnetKey& key);

}  // namespace flannel
