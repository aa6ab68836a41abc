// SPDX-License-Identifier: Apache-2.0
// The leases of all hosts as this host knows them. Records that cannot be used are quarantined
// one by one, with the reason; they never change what is known of any other.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/lease.h"
#include "core/quarantine.h"
#include "core/registry.h"
#include "core/standing_leases.h"
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

// What is in the table depends on the records alone, not on the order in which they were heard
// of, so all hosts with one view of the store agree on it.
class LeaseTable {
 public:
  // Leases outside of `network` are quarantined; without one, none is. Those with the public IP of
  // `host` that another node wrote are quarantined as well. Of each kind of quarantined record
  // `most_named` are kept by name.
  explicit LeaseTable(std::optional<Cidr4> network = std::nullopt,
                      std::optional<HostIdentity> host = std::nullopt,
                      std::size_t most_named = Quarantine::kMostNamed)
      : network_(network), host_(host), quarantine_(most_named) {}

  // This host is another node from now on, by which the records that come will be judged.
  void set_host(const HostIdentity& host) { host_ = host; }

  // Makes the table equal to the snapshot and tells the difference; downs come before ups.
  std::vector<PeerChange> apply_snapshot(const Snapshot& snapshot);
  // One record changed or went; other kinds of change are none of the table's business. Costs
  // work for that record, and for the leases that stand, wait or are hidden because of it.
  std::vector<PeerChange> apply(const Change& change);

  // Ordered by subnet, none overlaps another; our own lease is among them. Their records have no
  // value any more: the lease says it all.
  const std::map<SubnetKey, DecodedRecord>& leases() const { return standing_.shown(); }
  // Not a subnet key, not a lease, outside of the network, a public IP that is no host's or our
  // own, or overlapping a lease that was created before (in the same revision: of a smaller key),
  // or announcing a VTEP MAC that such a lease leads to another public IP.
  const Quarantine& quarantine() const { return quarantine_; }
  // Those of them that are kept by name, ordered by key.
  const Quarantine::Named& quarantined() const { return quarantine_.named(); }
  std::vector<QuarantinedRecord> take_quarantine_news() { return quarantine_.take_news(); }

  // The older lease for whose VTEP MAC this one is quarantined; nullopt: it is not.
  std::optional<VtepOwners::Conflict> vtep_conflict(const SubnetKey& subnet) const {
    return vteps_.conflict(subnet);
  }
  // Also a lease that is quarantined for its VTEP MAC; null: there is none.
  const DecodedRecord* find(const SubnetKey& subnet) const { return standing_.find(subnet); }

 private:
  using Judged = std::variant<DecodedRecord, QuarantinedRecord>;

  Judged judge(const Record& record) const;
  std::vector<PeerChange> change_lease(const std::string& key, std::optional<DecodedRecord> now);
  void settle_vtep(const SubnetKey& subnet);

  std::optional<Cidr4> network_;
  std::optional<HostIdentity> host_;
  Quarantine quarantine_;
  StandingLeases standing_;  // and those that overlap an older one, which are in quarantine
  VtepOwners vteps_;         // of those that stand; who announces another's MAC is hidden
};

}  // namespace flannel
