// SPDX-License-Identifier: Apache-2.0
// Whose a VTEP MAC is. Like a subnet it belongs to the lease that was created first; of the others
// that announce it those with the same PublicIP may, for a MAC leads to one address.
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

// Costs work for the lease that is asked about, and for those that share its MAC where the MAC
// passes from one lease to another.
class VtepOwners {
 public:
  // A MAC that another lease has already, and that lease.
  struct Conflict {
    Mac mac;
    SubnetKey subnet;
    Ip4 public_ip;
  };

  void clear();
  // A lease that does not overlap any other here.
  void add(const DecodedRecord& lease);
  void remove(const SubnetKey& subnet);
  // Leases whose conflict() may be another than at the last call, without those added since.
  std::set<SubnetKey> take_affected();

  // Of a lease that is here; nothing: its MACs, if it has any, are its own.
  std::optional<Conflict> conflict(const SubnetKey& subnet) const;

 private:
  // Each backend and family has a device of its own, where the MAC may be somebody else's.
  struct Vtep {
    Mac mac;
    bool v6 = false;
    std::string backend_type;
    auto operator<=>(const Vtep&) const = default;
  };
  using Age = std::pair<Revision, std::string>;  // when it was created, and its key
  struct Announced {
    Ip4 public_ip;
    Age age;
    std::vector<Vtep> vteps;
  };
  using ByAge = std::map<Age, SubnetKey>;
  using First = std::optional<std::pair<SubnetKey, Ip4>>;

  First first_of(const Vtep& vtep) const;

  std::map<SubnetKey, Announced> leases_;  // those that announce a MAC
  std::map<Vtep, ByAge> by_vtep_;          // never empty
  std::map<Vtep, First> touched_;          // since take_affected(), and whose they were then
};

}  // namespace flannel
