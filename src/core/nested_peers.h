// SPDX-License-Identifier: Apache-2.0
// Peers whose public IP lies in the subnet of another peer: the route to that subnet takes along
// the packets that carry those to the peer. docs/etcd-keys.md
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/registry.h"
#include "net/address.h"

namespace flannel {

// Of two peers that stand in each other's way the older one stays, so who writes a record spoils
// his own alone. Without I/O; work for the peers that are concerned, not for all.
class NestedPeers {
 public:
  // Each returns the subnets for which find_trouble() may answer differently now, `subnet` itself
  // among them. `created`: of the record; 0: it is gone from the store, and was there before all.
  std::vector<Cidr4> put(const Cidr4& subnet, Ip4 public_ip, Revision created);
  std::vector<Cidr4> remove(const Cidr4& subnet);

  // Why this peer is unreachable; nothing: it stands in nobody's way.
  std::optional<std::string> find_trouble(const Cidr4& subnet) const;

 private:
  struct Peer {
    Ip4 public_ip;
    Revision created = 0;
  };
  using Peers = std::map<Cidr4, Peer>;

  bool is_older(const Peers::value_type& one, const Peers::value_type& other) const;
  const Peers::value_type* around(Ip4 ip) const;
  std::vector<Cidr4> inside(const Cidr4& subnet) const;
  std::vector<Cidr4> concerned_by(const Cidr4& subnet, Ip4 public_ip) const;

  Peers peers_;  // none overlaps another
  std::set<std::pair<Ip4, Cidr4>> by_public_ip_;
};

}  // namespace flannel
