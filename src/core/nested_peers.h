// SPDX-License-Identifier: Apache-2.0
// Finds peers whose public IP lies in the subnet of another peer: the route to that subnet would
// capture the encapsulated packets to the peer. docs/etcd-keys.md
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/store_feed.h"
#include "net/address.h"

namespace flannel {

// The older one of two conflicting peers stays usable, so a new record can only make its own peer
// unreachable. No I/O; each call costs work for the affected peers only.
class NestedPeers {
 public:
  // put() and remove() return the subnets whose find_trouble() may have changed, `subnet` included.
  // `created`: of the record; 0: the record is gone from the store, and counts as the oldest.
  std::vector<IpPrefix> put(const IpPrefix& subnet, IpAddress public_ip, Revision created);
  std::vector<IpPrefix> remove(const IpPrefix& subnet);

  // The reason why this peer is unreachable; nullopt: it has no conflict with an older peer.
  std::optional<std::string> find_trouble(const IpPrefix& subnet) const;

 private:
  struct Peer {
    IpAddress public_ip;
    Revision created = 0;
  };
  using Peers = std::map<IpPrefix, Peer>;

  bool is_older(const Peers::value_type& one, const Peers::value_type& other) const;
  const Peers::value_type* around(IpAddress ip) const;
  std::vector<IpPrefix> inside(const IpPrefix& subnet) const;
  std::vector<IpPrefix> concerned_by(const IpPrefix& subnet, IpAddress public_ip) const;

  Peers peers_;  // none overlaps another
  std::set<std::pair<IpAddress, IpPrefix>> by_public_ip_;
};

}  // namespace flannel
