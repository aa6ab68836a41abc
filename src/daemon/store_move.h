// SPDX-License-Identifier: Apache-2.0
// Follows the cluster when it moves from one store to another (docs/moving-stores.md).
//
//                  MovedTo                            the new one says that the old one is retired
//   one store ───────────────▶ the old one, which decides, ─────────────────────▶ the new one alone
//       ▲                      and our lease in the new one, too
//       └── the note is gone ────────┘
//
// A host without a lease leaves the old store as soon as that one says that it is retired, and
// waits in the new one until that one says so, too: leases that were made last are copied in
// between.
//
// Of two stores the agent uses the one that decides who owns which subnet. A daemon that is started
// with the address of the new store goes to the old one first.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "base/problem.h"
#include "core/lease_keeper.h"
#include "core/move_notes.h"
#include "daemon/lease_runner.h"
#include "daemon/store_follower.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "registry/switchable_registry.h"

namespace flannel {

// Loop thread only.
class StoreMove {
 public:
  struct Parts {
    Loop& loop;
    SwitchableRegistry& store;  // that the agent uses; must outlive the move
    Random random;
    // Opens a store that a note names, with the credentials of this host.
    std::function<Result<std::unique_ptr<Registry>>(const StoreAddress&)> open;
    // Makes a keeper that leases the subnet of `lease` and no other.
    std::function<LeaseKeeper(const Lease& lease, LeaseKeeper::Announce announce)> make_keeper;
    // `store` is another one, and is to be listed. `has_lease`: this host had its lease there.
    std::function<void(bool has_lease)> on_switched;
    std::function<void()> on_state;  // the result of problem() may have changed
  };

  explicit StoreMove(Parts parts);

  // To be called with each configuration that the agent's store reports. What it causes happens in
  // a later turn.
  void on_config(const std::optional<ConfigRecord>& config);
  // Whether a host that has no lease yet may take one from this store. `records` are its records,
  // and `node` is ours.
  bool decides(std::span<const Record> records, const NodeId& node) const;
  // The agent uses the configuration of its store.
  void begin() { running_ = true; }
  // The lease that this host holds in the agent's store; again when it changes.
  void on_lease(const Lease& lease);

  // This host is drained: it has no lease in the other store either, until on_lease() is called.
  // `held`: the lease that it had, as far as it is not known; nullopt: it is, or there was none.
  void drain(const std::optional<Lease>& held);

  // The store that the agent uses; nullopt: the one of Parts, with which it began.
  const std::optional<StoreAddress>& address() const { return address_; }

  // Two stores have, or get, the lease of this host.
  bool follows() const { return other_ != nullptr; }
  // Returns why this host cannot follow, or what it waits for; nullopt: neither.
  std::optional<Problem> problem() const;

 private:
  // The store that does not decide, while there are two.
  struct Other {
    std::string id;  // of the move
    std::shared_ptr<Registry> registry;
    // Its users make their calls through it, so that no answer comes after their end.
    SwitchableRegistry door;
    std::optional<MoveNotes> notes = {};  // nullopt: not known
    std::unique_ptr<StoreFollower> follower = {};
    std::unique_ptr<LeaseRunner> runner = {};  // null until we have a lease
  };

  void evaluate();
  void follow(const MoveNote& note);
  void watch_other(std::string id, std::shared_ptr<Registry> registry);
  void on_other_snapshot(const Snapshot& snapshot);
  void on_other_changes(const std::vector<Change>& changes);
  void on_other_config(const std::optional<ConfigRecord>& config);
  bool is_other_retired() const;
  void leave_for_new(const MoveNote& note);
  void turn_back_to_old(const MoveNote& note);
  void stop_following();
  std::shared_ptr<Registry> open(const MoveNote& note);
  void use(std::shared_ptr<Registry> store, bool has_lease);
  void set_problem(std::optional<Problem> problem);

  Parts parts_;
  bool running_ = false;
  std::optional<MoveNotes> notes_;  // of the agent's store; nullopt: not known
  std::optional<Lease> lease_;
  bool drained_ = false;
  std::unique_ptr<Other> other_;
  std::string arrived_by_;       // the id of the move by which this store was reached
  std::set<std::string> steps_;  // since notes were last without effect: no step is made twice
  std::optional<StoreAddress> address_;
  std::optional<Problem> problem_;
  Timer due_{parts_.loop, [this] { evaluate(); }};
};

}  // namespace flannel
