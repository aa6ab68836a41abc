// SPDX-License-Identifier: Apache-2.0
// What became of each subnet of either family: whose it was, and when. For the question whether a
// host that has another subnet, or a reader that drops a peer, has a cause.
//
// Several records may have one subnet: those of a host that changes the families of its lease, and
// those that people write. The subnet is the host's whose record is the oldest of them. Readers are
// certain of it if no older record overlaps that one in its other family either.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "core/lease.h"
#include "core/registry.h"
#include "simulation/timeline.h"

namespace flannel::simulation {

class Fates {
 public:
  explicit Fates(const Timeline& timeline) : timeline_(timeline) {}

  // A record is there, or is there with another content. `owner`: the first address of its host;
  // `is_bare`: it names no node.
  void put(const Record& record, IpAddress owner, bool is_bare);
  // A record is gone since this revision of the store.
  void erase(const std::string& key, Revision revision);
  // All records are gone, and the next ones have revisions of another history.
  void clear(Revision revision);
  // Somebody else than its host has written or removed the record of the key.
  void rob(const std::string& key, Revision revision);
  void rob_all();

  // Whether readers who knew a record of the owner's as of this revision may rightly have dropped
  // what it says of the subnet.
  bool gave_cause_to_drop(const IpPrefix& subnet, IpAddress owner, Revision known) const;
  // Since when, at the earliest, a host may rightly have another opinion of what it holds.
  TimePoint robbed_at(const IpPrefix& subnet) const;
  // When a part of the subnet was last somebody else's than the host's of this first address.
  TimePoint foreign_at(const IpPrefix& subnet, IpAddress owner) const;
  // Until when readers were certain that the subnet is this host's; now, if they are still, and
  // have been for as long as it takes until they hear of it.
  TimePoint held_until(const IpPrefix& subnet, IpAddress owner, Duration heard_by) const;

 private:
  struct Holder {
    SubnetKey subnet;
    std::string key;
    Revision created = 0;
    IpAddress owner;
    bool is_bare = false;
    bool is_older_than(const Holder& other) const {
      return std::pair(created, key) < std::pair(other.created, other.key);
    }
  };
  // A time in which readers were certain; kNever: still.
  struct Certain {
    TimePoint until{};
    TimePoint before{};  // until when before that,
    TimePoint since{};   // and from when on again
  };
  struct Fate {
    std::set<std::string> keys;  // of the records that have the subnet
    std::optional<IpAddress> first;
    std::optional<IpAddress> certain;
    Revision gone = 0;
    TimePoint robbed{};
    std::map<IpAddress, TimePoint> first_until;  // by owners; kNever: still
    std::map<IpAddress, Certain> certain_until;
    TimePoint bare_since = kNever;  // since when its first record has named no node
  };

  const Holder* oldest(const IpPrefix& subnet) const;
  bool is_certain(const Holder& holder) const;
  std::set<IpPrefix> concerned_by(const SubnetKey& subnet) const;
  void remove(const std::string& key);
  void look_again(const std::set<IpPrefix>& subnets, Revision revision);
  void look_again(const IpPrefix& subnet, Revision revision);

  const Timeline& timeline_;
  std::map<std::string, Holder> holders_;  // by key
  std::map<IpPrefix, Fate> fates_;
};

}  // namespace flannel::simulation
