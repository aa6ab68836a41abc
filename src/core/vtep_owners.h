// SPDX-License-Identifier: Apache-2.0
// The owners of VTEP MACs. Like a subnet, a MAC belongs to the oldest lease that announces it.
// Younger leases may announce it too if they have the same PublicIP, because a MAC leads to one
// address.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/subnet_picking.h"
#include "net/address.h"

namespace flannel {

// Each call costs work for the lease that it names; if a MAC gets another owner, also for the
// leases that announce this MAC.
class VtepOwners {
 public:
  // A MAC that an older lease has, and that lease.
  struct Conflict {
    Mac mac;
    SubnetKey subnet;
    Ip4 public_ip;
  };

  void clear();
  // Adds a lease that does not overlap any other in this object.
  void add(const DecodedRecord& lease);
  void remove(const SubnetKey& subnet);
  // The leases whose conflict() may have changed since the last call, because a MAC has another
  // owner.
  std::set<SubnetKey> take_affected();

  // The conflict of a lease; nullopt: its MACs, if it has any, are its own.
  std::optional<Conflict> conflict(const SubnetKey& subnet) const;

 private:
  // Each backend and family has its own device, so the same MAC may belong to different leases.
  struct Vtep {
    Mac mac;
    bool v6 = false;
    std::string backend_type;
    auto operator<=>(const Vtep&) const = default;
  };
  using Age = std::pair<Revision, std::string>;  // revision of creation, and key
  struct Announced {
    Ip4 public_ip;
    Age age;
    std::vector<Vtep> vteps;
  };
  using ByAge = std::map<Age, SubnetKey>;
  using First = std::optional<std::pair<SubnetKey, Ip4>>;

  First first_of(const Vtep& vtep) const;

  std::map<SubnetKey, Announced> leases_;  // leases that announce a MAC
  std::map<Vtep, ByAge> by_vtep_;          // never empty
  std::map<Vtep, First> touched_;  // changed since take_affected(), with the owner at that time
};

}  // namespace flannel
