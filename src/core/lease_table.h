// SPDX-License-Identifier: Apache-2.0
// The leases of all hosts as this host knows them. Records that cannot be read are set aside one
// by one, named with the reason; they never change what is known of any other.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/lease.h"
#include "core/registry.h"
#include "core/subnet_picking.h"

namespace flannel {

// What changed for the reader of the table. A renewal that says the same is no change.
struct PeerUp {  // new, or its attributes changed
  Lease lease;
};
struct PeerDown {
  Lease lease;
};
using PeerChange = std::variant<PeerUp, PeerDown>;

struct QuarantinedRecord {
  std::string key;
  std::string reason;
  Revision revision = 0;
  bool operator==(const QuarantinedRecord&) const = default;
};

class LeaseTable {
 public:
  // Makes the table equal to the snapshot and tells the difference; downs come before ups.
  std::vector<PeerChange> apply_snapshot(const Snapshot& snapshot);
  // One record changed or went; other kinds of change are none of the table's business.
  std::vector<PeerChange> apply(const Change& change);

  // Ordered by subnet; our own lease is among them.
  const std::map<SubnetKey, DecodedRecord>& leases() const { return leases_; }
  // Ordered by key.
  const std::map<std::string, QuarantinedRecord>& quarantined() const { return quarantined_; }
  // Leases outside of, or overlapping others in, `network` are for the reader to judge.

 private:
  std::map<SubnetKey, DecodedRecord> leases_;
  std::map<std::string, QuarantinedRecord> quarantined_;
};

}  // namespace flannel
