// SPDX-License-Identifier: Apache-2.0
// Peers that stay although the table has lost their leases, or has another host's lease for their
// subnets. A store that lost everything gets it back host by host: every call costs work for the
// peers that it is about, not for all.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "core/lease.h"

namespace flannel {

// The states of a peer, as known_peers.h draws them.
enum class PeerState {
  following,  // the table has its lease: it is no missing peer
  missing,    // goes at the end of its grace period
  suspected,  // stays for a recheck, unless another lease waits for its subnet
};

class MissingPeers {
 public:
  struct Peer {
    Lease lease;
    TimePoint since;
    TimePoint grace_end;  // extended when another host takes the subnet of a suspected one
    PeerState state = PeerState::missing;
    bool is_suspected() const { return state == PeerState::suspected; }
  };

  // No two overlap.
  const std::map<SubnetKey, Peer>& all() const { return peers_; }
  PeerState state_of(const SubnetKey& subnet) const {
    const auto found = peers_.find(subnet);
    return found == peers_.end() ? PeerState::following : found->second.state;
  }
  std::size_t suspected() const { return peers_.size() - unsuspected_.size(); }
  // Those with the node id or the public IP of `host`, in order.
  std::vector<SubnetKey> resembling(const LeaseAttributes& host) const;

  // Overlaps no missing peer.
  void add(Lease lease, TimePoint since, TimePoint grace_end);
  void suspect_all();
  // `subnet` is a missing peer.
  void extend_grace(const SubnetKey& subnet, TimePoint until);
  // The next take_over_grace() returns this missing peer, although an earlier call did.
  void report_again(const SubnetKey& subnet);
  Lease let_go(const SubnetKey& subnet);

  // Missing peers whose grace period is over, ordered by subnet. Each is returned once.
  std::vector<SubnetKey> take_over_grace(TimePoint now);
  // When the next of them is over; kNever: none is left.
  TimePoint next_grace_end() const;

 private:
  std::map<SubnetKey, Peer> peers_;
  std::set<SubnetKey> unsuspected_;
  std::set<std::pair<TimePoint, SubnetKey>> by_grace_end_;
  std::set<std::pair<Ip4, SubnetKey>> by_ip_;
  std::set<std::pair<NodeId, SubnetKey>> by_node_;
};

}  // namespace flannel
