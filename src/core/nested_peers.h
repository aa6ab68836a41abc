// SPDX-License-Identifier: Apache-2.0
// Finds peers whose public IP lies in a subnet of another peer: the route to that subnet would
// capture the encapsulated packets to the peer. docs/etcd-keys.md
#pragma once

#include <absl/container/btree_map.h>

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/shared.h"
#include "core/lease.h"
#include "core/store_feed.h"
#include "net/address.h"

namespace flannel {

// The older one of two conflicting peers stays usable, so a new record can only make its own peer
// unreachable. No I/O; each call costs work for the affected peers only.
class NestedPeers {
 public:
  // Only subnets in `networks` are routed, so that other public IPs, in most clusters all, need no
  // memory.
  explicit NestedPeers(std::vector<IpPrefix> networks) : networks_(std::move(networks)) {}

  // Sets other networks; find_trouble() of every peer may have changed.
  void set_networks(std::vector<IpPrefix> networks);

  // The lease of this peer; nullptr: there is none.
  const Shared<Lease>* find_lease(const IpPrefix& peer) const;
  // The leases of all peers, ordered by their names.
  std::vector<Shared<Lease>> leases() const;

  // Peers are named by the identity() of their subnets. put() and remove() return those whose
  // find_trouble() may have changed, the named one included.
  // `created`: of the record; 0: the record is gone from the store, and counts as the oldest.
  std::vector<IpPrefix> put(const Shared<Lease>& lease, Revision created);
  std::vector<IpPrefix> remove(const IpPrefix& peer);

  // The reason why this peer is unreachable; nullopt: it has no conflict with an older peer.
  std::optional<std::string> find_trouble(const IpPrefix& peer) const;

 private:
  struct Peer {
    Shared<Lease> lease;
    Revision created = 0;
    const IpPrefix& name() const { return lease->subnet.identity(); }
  };

  bool in_network(const IpAddress& ip) const;
  void add_public_ips(const Lease& lease);
  bool is_older(const Peer& one, const Peer& other) const;
  const Peer* find(const IpPrefix& name) const;
  const Peer* around(const IpAddress& ip) const;
  std::vector<const Peer*> inside(const IpPrefix& subnet) const;
  std::vector<IpPrefix> concerned_by(const Peer& peer) const;
  std::optional<std::string> find_trouble_of(const Peer& self, Family family) const;

  std::vector<IpPrefix> networks_;
  absl::btree_map<IpPrefix, Peer> peers_;  // by each of their subnets
  std::set<std::pair<IpAddress, IpPrefix>>
      by_public_ip_;  // in a network; with the name of the peer
};

}  // namespace flannel
