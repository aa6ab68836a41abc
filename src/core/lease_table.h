// SPDX-License-Identifier: Apache-2.0
// The leases of all hosts as this host knows them. A record that cannot be used is quarantined,
// with the reason, and does not affect other records.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/lease.h"
#include "core/listed_lease.h"
#include "core/quarantine.h"
#include "core/standing_leases.h"
#include "core/store_feed.h"
#include "core/vtep_owners.h"

namespace flannel {

// A change of the table. A renewal with equal attributes is no change.
struct PeerUp {
  Shared<Lease> lease;
  std::optional<Shared<Lease>> before{};  // the previous lease with this key; nullopt: the first
  Revision created = 0;                   // the revision at which the record was created
};
struct PeerDown {
  Shared<Lease> lease;
};
using PeerChange = std::variant<PeerUp, PeerDown>;

// The content depends on the records alone, not on the order of the changes, so all hosts with one
// view of the store have the same table.
class LeaseTable {
 public:
  // A lease can be used in the families in which its subnet lies in one of `networks` (empty: in
  // any network) and its public IP can be a host's. Its address and data of another family are
  // left out, and a lease without a usable family is quarantined. So is a lease with a public IP of
  // `host` that another node wrote. Holds `most_named` quarantined records of each kind by name.
  explicit LeaseTable(std::vector<IpPrefix> networks = {},
                      std::optional<HostIdentity> host = std::nullopt,
                      std::size_t most_named = Quarantine::kMostNamed)
      : networks_(std::move(networks)), host_(host), quarantine_(most_named) {}

  // Sets another identity of this host, by which later records are checked.
  void set_host(const HostIdentity& host) { host_ = host; }

  // Sets other networks, by which later records are checked. The next snapshot decides about those
  // that are there.
  void set_networks(std::vector<IpPrefix> networks) { networks_ = std::move(networks); }

  // Makes the table equal to the snapshot and returns the changes, downs before ups.
  std::vector<PeerChange> apply_snapshot(const Snapshot& snapshot);
  // Applies the change or removal of one record; other kinds of change are ignored. The cost
  // depends on that record and the leases that stand, wait or are hidden because of it.
  std::vector<PeerChange> apply(const Change& change);

  // The usable leases, ordered by subnet, without overlaps; our own lease is one of them.
  const ListedLeases& leases() const { return standing_.shown(); }
  // All leases of which one could be used if it were alone. In no order.
  std::vector<ListedLease> all() const { return standing_.all(); }
  // The usable leases that cannot be used together with `lease`, which is not in the table and
  // announces `vteps`: they overlap it, or have its VTEP MAC and another public IP.
  std::vector<SubnetKey> conflicting_with(const Lease& lease, const AnnouncedVteps& vteps) const;
  // The usable leases that overlap `subnet` in a family.
  std::vector<SubnetKey> overlapping(const SubnetKey& subnet) const {
    return standing_.overlapping(subnet);
  }
  // Records that are no subnet key or no lease, are outside of the network, announce our public IP
  // for another node or one that no host can have, overlap an older lease (of the same revision:
  // with a smaller key), or announce the VTEP MAC of an older lease with another public IP.
  const Quarantine& quarantine() const { return quarantine_; }
  // The quarantined records that are held by name, ordered by key.
  const Quarantine::Named& quarantined() const { return quarantine_.named(); }

  // The older lease because of whose VTEP MAC this one is quarantined; nullopt: none.
  std::optional<VtepOwners::Conflict> vtep_conflict(const SubnetKey& subnet) const {
    return vteps_.conflict(subnet);
  }
  // Also finds a lease that is quarantined because of its VTEP MAC; nullptr: none.
  const ListedLease* find(const SubnetKey& subnet) const { return standing_.find(subnet); }
  // The number of leases that all changes so far have made the table look at.
  std::uint64_t looked_at() const { return standing_.looked_at() + vteps_looked_at_; }

 private:
  using Judged = std::variant<ListedLease, QuarantinedRecord>;

  Judged judge(const Record& record) const;
  std::string subnet_trouble(const IpPrefix& subnet) const;
  std::string leave_out_unusable(Lease& lease) const;
  std::vector<PeerChange> change_lease(const std::string& key, std::optional<ListedLease> now);
  void update_vtep(const SubnetKey& subnet);

  std::vector<IpPrefix> networks_;
  std::optional<HostIdentity> host_;
  Quarantine quarantine_;
  StandingLeases standing_;  // and overlapping younger leases, which are quarantined
  VtepOwners vteps_;         // of standing leases; one with another's MAC is hidden
  std::uint64_t vteps_looked_at_ = 0;
};

}  // namespace flannel
