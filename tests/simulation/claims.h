// SPDX-License-Identifier: Apache-2.0
// Which host's record announced what tells hosts apart, a node id or a VTEP MAC, and when: for the
// question whether a host had to leave its own to another.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "core/lease.h"
#include "core/registry.h"

namespace flannel::simulation {

// The VTEP of a family that the lease announces, "aa:bb:cc:dd:ee:ff IPv4"; "": it announces none.
// One MAC on the devices of both families is two VTEPs.
std::string vtep_of(const LeaseAttributes& attributes, Family family);

class Claims {
 public:
  // A record is written, by its own host or not.
  void begin(TimePoint now, const Record& record, IpAddress owner);
  // It is gone, or about to be written over.
  void end(TimePoint now, const std::string& key, bool by_its_owner);

  // Whether a record of another host, or of this one under an address that it had before, has had
  // this node id or MAC since then, while no older record of the owner's had it. Its records at the
  // keys `unrecognised` do not count.
  bool had_to_be_left(std::string_view what, IpAddress owner, TimePoint since,
                      const std::set<std::string>& unrecognised = {}) const;
  // Whether records of the owner's, at other keys than the `unrecognised`, have had it since then
  // without a gap, or until the owner itself wrote something else.
  bool was_kept(std::string_view what, IpAddress owner, TimePoint since,
                const std::set<std::string>& unrecognised) const;

 private:
  struct Claim {
    IpAddress owner;
    PublicIps ips;  // a VTEP: the one of its family
    std::string key;
    Revision created = 0;
    TimePoint since;
    TimePoint until = kNever;
    bool ended_by_owner = false;
    bool is_left_behind_by(const Claim& own) const {
      return owner == own.owner && key != own.key && !ips.same_host(own.ips);
    }
    bool is_older_than(const Claim& other) const {
      return std::pair(created, key) < std::pair(other.created, other.key);
    }
  };

  static bool lasts(const std::vector<Claim>& all, const Claim& own);
  void begin(TimePoint now, const Record& record, IpAddress owner, const std::string& what,
             const PublicIps& ips);

  std::map<std::string, std::vector<Claim>, std::less<>> claims_;  // by what is claimed
  std::map<std::string, std::vector<std::string>> standing_;       // what each key's record claims
};

}  // namespace flannel::simulation
