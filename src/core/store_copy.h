// SPDX-License-Identifier: Apache-2.0
// What copies a network from one store to another, and which hosts have followed (pure).
// docs/moving-stores.md describes a move as operators see it.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/lease.h"
#include "core/move_notes.h"
#include "core/registry.h"

namespace flannel {

struct CopyRequest {
  StoreAddress from, to;
  std::string new_id;          // for a move that has none yet
  std::chrono::seconds ttl{};  // of the copy of a lease whose remaining life is not known
  bool force = false;          // go on in spite of CopyPlan::objections
  RemainingLives lives = {};   // of the records of `from`
};

// One record of the new store. `owner` is for people.
struct CopyStep {
  struct Create {
    std::string value;
  };
  struct Replace {  // by the record of the old store, which decides
    Record seen;
    std::string value;
  };
  struct Remove {  // an earlier copy of a lease that has ended since
    Record seen;
  };
  struct Keep {};  // it is there already
  using Act = std::variant<Create, Replace, Remove, Keep>;

  std::string key;
  std::string owner;
  bool reservation = false;
  Act act;
  // The TTL of what is written: the remaining life of the original. nullopt: a reservation.
  Ttl ttl = {};
};

struct CopyPlan {
  std::string id;
  std::string config_of_to;  // with the note MovedFrom; written first
  Revision seen_of_to = 0;
  std::vector<CopyStep> steps;  // in the order in which the old store got the records
  std::string config_of_from;   // with the note MovedTo; written last
  Revision seen_of_from = 0;
  std::vector<std::string> objections;  // each needs --force
  std::vector<std::string> remarks;     // records that are not copied as they are, and why
};

// Returns the TTL of a copy: the time that its original lives on, a second at least; without this
// record in `lives`, `otherwise`. nullopt: a reservation.
Ttl ttl_of_copy(const Record& original, const RemainingLives& lives,
                std::chrono::seconds otherwise);

// An error is what even --force does not permit. A copy that was interrupted can be planned again
// at any point.
Result<CopyPlan> plan_copy(const Snapshot& from, const Snapshot& to, const CopyRequest& request);

// Where a host of the old store stands.
enum class Following {
  followed,  // it keeps its lease in the new store, too
  copied,    // the new store has a copy that the host has not written itself yet
  missing,   // the new store has no record of its lease
  taken,     // the new store has another host's record there
  upstream,  // a daemon that writes no node id, and does not know of moves
  reserved,  // a reservation that no host uses; the new store has it as well
};
std::string_view to_string(Following following);  // for people

struct FollowingHost {
  std::string key;
  Lease lease;
  Record record;  // in the old store
  Following following = Following::missing;

  // The move must wait for this host.
  bool is_behind() const {
    return following != Following::followed && following != Following::reserved;
  }
};

// All leases of the old store, in the order of their subnets.
std::vector<FollowingHost> hosts_of_move(const Snapshot& from, const Snapshot& to);

}  // namespace flannel
