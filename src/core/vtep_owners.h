// SPDX-License-Identifier: Apache-2.0
// The owners of VTEP MACs. Like a subnet, a MAC belongs to the oldest lease that announces it.
// Younger leases may announce it too if they have the same PublicIP, because a MAC leads to one
// address.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "core/listed_lease.h"
#include "net/address.h"

namespace flannel {

// The identity of a VTEP. Each backend and family has its own device, so the same MAC on another
// device is another VTEP.
struct Vtep {
  Mac mac;
  std::uint16_t device = 0;  // a hash: two backends with the same number share their MACs
  auto operator<=>(const Vtep&) const = default;
};

// A VTEP, and the public IP to which packets for it are sent.
struct AnnouncedVtep {
  Vtep vtep;
  IpAddress ip;
  auto operator<=>(const AnnouncedVtep&) const = default;
};

// The VTEPs that a lease announces: at most one of each family.
struct AnnouncedVteps {
  std::optional<AnnouncedVtep> v4{}, v6{};

  const std::optional<AnnouncedVtep>& at(Family family) const {
    return family == Family::v4 ? v4 : v6;
  }
};
// Data that no backend accepts announces no VTEP.
AnnouncedVteps announced_vteps(const LeaseAttributes& lease);
bool share_a_vtep(const AnnouncedVteps& one, const AnnouncedVteps& other);

// Each call costs work for the lease that it names; if a MAC gets another owner, also for at most
// kMostOfOneMac leases that announce this MAC.
class VtepOwners {
 public:
  // A host has few leases at a time. Without this bound, the writer of thousands of records with
  // one MAC could make all of them come and go with each change of the oldest record.
  static constexpr std::size_t kMostOfOneMac = 8;

  // A MAC that an older lease has, and that lease.
  struct Conflict {
    Mac mac;
    SubnetKey subnet;
    IpAddress public_ip;
    bool is_crowded = false;  // kMostOfOneMac older leases announce it, whatever their hosts
  };

  void clear();
  // Adds a lease that does not overlap any other in this object.
  void add(const ListedLease& lease);
  void remove(const SubnetKey& subnet);
  // The leases whose conflict() may have changed since the last call, because a MAC has another
  // owner.
  std::set<SubnetKey> take_affected();

  // The conflict of a lease; nullopt: its MACs, if it has any, are its own.
  std::optional<Conflict> conflict(const SubnetKey& subnet) const;
  // The leases that have one of `vteps` with another public IP: at most kMostOfOneMac for each
  // VTEP.
  std::vector<SubnetKey> owned_by_others(const AnnouncedVteps& vteps) const;

 private:
  struct Announced {
    Revision created = 0;
    AnnouncedVteps vteps;
  };
  // The leases that may have the MAC, and the address that it leads to.
  struct Oldest {
    std::vector<SubnetKey> subnets;
    IpAddress ip;
    bool operator==(const Oldest&) const = default;
  };

  Oldest oldest_of(const Vtep& vtep) const;
  void touch(const Vtep& vtep);

  absl::btree_map<SubnetKey, Announced> leases_;  // leases that announce a MAC
  absl::btree_set<std::pair<Vtep, LeaseAge>> claims_;
  std::map<Vtep, Oldest> touched_;  // changed since take_affected(), with the state at that time
};

}  // namespace flannel
