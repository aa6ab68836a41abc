// SPDX-License-Identifier: Apache-2.0
// The leases of all hosts as this host knows them. Records that cannot be used are set aside one
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
#include "core/vtep_owners.h"

namespace flannel {

// What changed for the reader of the table. A renewal that says the same is no change.
struct PeerUp {
  Lease lease;
  std::optional<LeaseAttributes> before{};  // what they were; nothing: the lease is new
  Revision created = 0;                     // of the record
};
struct PeerDown {
  Lease lease;
};
using PeerChange = std::variant<PeerUp, PeerDown>;

struct QuarantinedRecord {
  std::string key;
  std::string reason;
  Revision revision = 0;
  // Two hosts cannot be told apart: another node says that our public IP is its own, or two of
  // different addresses announce one VTEP MAC.
  bool alarm = false;
  bool operator==(const QuarantinedRecord&) const = default;
};

// What is in the table depends on the records alone, not on the order in which they were heard
// of, so all hosts with one view of the store agree on it.
class LeaseTable {
 public:
  // Leases outside of `network` are set aside; without one, none is. Those with the public IP of
  // `host` that another node wrote are set aside as well.
  explicit LeaseTable(std::optional<Cidr4> network = std::nullopt,
                      std::optional<HostIdentity> host = std::nullopt)
      : network_(network), host_(host) {}

  // This host is another node from now on, by which the records that come will be judged.
  void set_host(const HostIdentity& host) { host_ = host; }

  // Makes the table equal to the snapshot and tells the difference; downs come before ups.
  std::vector<PeerChange> apply_snapshot(const Snapshot& snapshot);
  // One record changed or went; other kinds of change are none of the table's business. Costs
  // work for the leases that overlap this one or share its VTEP MAC, not for the others.
  std::vector<PeerChange> apply(const Change& change);

  // Ordered by subnet, none overlaps another; our own lease is among them.
  const std::map<SubnetKey, DecodedRecord>& leases() const { return leases_; }
  // Ordered by key: not a subnet key, not a lease, outside of the network, a public IP that is no
  // host's or our own, or overlapping a lease that was created before (in the same revision: of a
  // smaller key), or announcing a VTEP MAC that such a lease leads to another public IP.
  const std::map<std::string, QuarantinedRecord>& quarantined() const { return quarantined_; }

  // The older lease for whose VTEP MAC this one is set aside; nothing: it is not.
  std::optional<VtepOwners::Conflict> vtep_conflict(const SubnetKey& subnet) const {
    return vteps_.conflict(subnet);
  }
  // Also a lease that is set aside for its VTEP MAC; null: there is none.
  const DecodedRecord* find(const SubnetKey& subnet) const;

 private:
  using Leases = std::map<SubnetKey, DecodedRecord>;

  std::optional<DecodedRecord> judge(const Record& record);
  Leases settle(std::vector<DecodedRecord> candidates);
  void take_out(Leases& from, const Cidr4& range, const SubnetKey& but,
                std::vector<DecodedRecord>& candidates);
  void settle_vtep(const SubnetKey& subnet);
  Cidr4 widest_around(const Cidr4& subnet) const;
  std::vector<PeerChange> change_subnet(const SubnetKey& subnet, const Record* now);

  std::optional<Cidr4> network_;
  std::optional<HostIdentity> host_;
  // Of those in order by themselves: leases_ and doubles_ overlap nobody older, and keep their
  // subnets from others; doubles_ announce the VTEP MAC of another.
  Leases leases_;
  Leases doubles_;
  Leases outranked_;                                      // they overlap an older one
  VtepOwners vteps_;                                      // of leases_ and doubles_
  std::map<std::string, QuarantinedRecord> quarantined_;  // the latter two as well
};

}  // namespace flannel
