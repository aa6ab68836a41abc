// SPDX-License-Identifier: Apache-2.0
// Peers that stay though the table has lost them or has another host's lease for them. A store that
// lost everything gets it back host by host: whatever is asked or done here costs work for the
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

class KeptPeers {
 public:
  struct Peer {
    Lease lease;
    TimePoint since;
    TimePoint lingers_until;  // who is doubted lingers when somebody else comes for its subnet
    bool doubted = false;
  };

  // No two overlap.
  const std::map<SubnetKey, Peer>& all() const { return peers_; }
  std::size_t doubted() const { return peers_.size() - undoubted_.size(); }
  // Those with the node id or the public IP of `host`, in order.
  std::vector<SubnetKey> resembling(const LeaseAttributes& host) const;

  // Overlaps none that is kept.
  void keep(Lease lease, TimePoint since, TimePoint lingers_until);
  void doubt_all();
  // Of one that is kept.
  void linger(const SubnetKey& subnet, TimePoint until);
  void take_again(const SubnetKey& subnet);  // next time, if it has been taken
  Lease let_go(const SubnetKey& subnet);

  // Those that have lingered until now, in order. Each is taken once.
  std::vector<SubnetKey> take_ended(TimePoint now);
  // When the next of them can be taken; kNever: there is none.
  TimePoint first_end() const;

 private:
  std::map<SubnetKey, Peer> peers_;
  std::set<SubnetKey> undoubted_;
  std::set<std::pair<TimePoint, SubnetKey>> lingering_;
  std::set<std::pair<Ip4, SubnetKey>> by_ip_;
  std::set<std::pair<NodeId, SubnetKey>> by_node_;
};

}  // namespace flannel
