// SPDX-License-Identifier: Apache-2.0
// Peers that stay although the lease table has lost their leases, or has leases of other hosts on
// their subnets. Hosts write their leases one by one into a store that has lost all of them, so
// each call costs work for the peers that it names, not for all.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/shared.h"
#include "core/lease.h"
#include "core/lease_ranges.h"
#include "core/vtep_owners.h"

namespace flannel {

class MissingPeers {
 public:
  struct Peer {
    Shared<Lease> lease;
    AnnouncedVteps vteps;
    TimePoint since;
    TimePoint grace_end;        // extended when another host takes the subnet of a suspected peer
    bool is_suspected = false;  // stays for a recheck, unless another lease waits for its subnet
  };

  // No two of them conflict.
  const std::map<SubnetKey, Peer>& all() const { return peers_; }
  // The number of suspected peers.
  std::size_t suspected() const { return peers_.size() - unsuspected_.size(); }
  // The missing peers with the node id or the public IP of `host`, ordered by subnet.
  std::vector<SubnetKey> resembling(const LeaseAttributes& host) const;
  // The missing peers that overlap `subnet` in a family, in order.
  std::vector<SubnetKey> overlapping(const SubnetKey& subnet) const {
    return ranges_.overlapping(subnet);
  }
  // The missing peers that cannot be peers together with `lease`: they overlap it, or have its VTEP
  // MAC and another public IP. Ordered by subnet.
  std::vector<SubnetKey> conflicting_with(const Lease& lease) const;

  // No missing peer conflicts with `lease`.
  void add(const Shared<Lease>& lease, TimePoint since, TimePoint grace_end);
  void suspect_all();

  // In these calls `subnet` is a missing peer.
  void extend_grace(const SubnetKey& subnet, TimePoint until);
  // Makes take_over_grace() return the peer once more, if an earlier call returned it.
  void report_again(const SubnetKey& subnet);
  // Removes and returns the peer.
  Peer let_go(const SubnetKey& subnet);

  // Returns the missing peers whose grace period is over, ordered by subnet; each of them once.
  std::vector<SubnetKey> take_over_grace(TimePoint now);
  // The earliest end of a grace period that is still to be returned; kNever: none.
  TimePoint next_grace_end() const;

 private:
  std::map<SubnetKey, Peer> peers_;
  LeaseRanges ranges_;
  std::set<SubnetKey> unsuspected_;
  std::set<std::pair<TimePoint, SubnetKey>> by_grace_end_;
  std::set<std::pair<IpAddress, SubnetKey>> by_ip_;
  std::set<std::pair<NodeId, SubnetKey>> by_node_;
  std::set<std::pair<Vtep, SubnetKey>> by_vtep_;
};

}  // namespace flannel
