// SPDX-License-Identifier: Apache-2.0
// The agent of one network on one host. It follows the store, also when the cluster moves to
// another one, waits for the first valid configuration, and then has the network that this
// describes.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/problem.h"
#include "core/drain_note.h"
#include "daemon/agent_options.h"
#include "daemon/config_follower.h"
#include "daemon/host.h"
#include "daemon/network.h"
#include "daemon/state_saver.h"
#include "daemon/store_follower.h"
#include "daemon/store_move.h"
#include "registry/switchable_registry.h"

namespace flannel {

// Loop thread only.
class Agent {
 public:
  // The objects and functions that the agent uses. All of them must outlive the agent.
  struct Parts {
    Loop& loop;
    Kernel& kernel;
    Host& host;
    Registry& registry;
    Random random;
    PacketRules* rules = nullptr;  // null: no packet rules are made
    // Returns what is wrong outside of the agent: with the options, and with Docker.
    std::function<std::vector<Problem>()> other_problems = [] { return std::vector<Problem>(); };
    // As in Network::Parts.
    std::function<void(const Scope&, const Underlay&)> on_programmed;
    std::function<void()> on_ready;
    std::function<void(Error)> on_fatal;  // the agent cannot continue; the program must exit
    std::function<void()> on_state;       // the result of any accessor below may have changed
  };

  Agent(AgentOptions options, Parts parts);

  void start();

  // With a value this host is drained; it says since when. To be called before start() if it is
  // drained then, and at each change.
  void follow_drain(std::optional<DrainNote> note);

  // While `leaves`, this host gives up its lease, because the network is no longer there, and all
  // else stays as it is.
  void withdraw(bool leaves);
  // True if the store has no lease of this host.
  bool is_withdrawn() const;
  // True if there is no configuration, as the store says now.
  bool is_config_gone() const;

  // Undoes what commands have made, if that is to be done at the exit of the daemon, and then calls
  // `done`, perhaps at once.
  void end(std::function<void()> done);

  // Reads the store again at once, and compares kernel and underlay with the desired state. Called
  // when the operator asks for it (SIGHUP).
  void refresh();
  // Applies the options that AgentOptions::take_live() takes over.
  void reconfigure(const AgentOptions& wanted);
  // The kernel fills in the checksums of packets by vxlan devices, or no longer.
  void set_software_checksums(bool on);
  // As in Network; nothing without one.
  void suspect_kernel();
  void rules_changed();
  void check_underlay();
  void suspect_host();

  bool ready() const { return network_ && network_->ready(); }
  // Returns what is wrong now, whether or not the agent is ready.
  std::vector<Problem> problems() const;

  // Why the configuration in the store is not used; nullopt: it is, or the store has not answered.
  const std::optional<Problem>& config_problem() const { return config_.problem(); }

  // The store that is used: the one of Parts, unless the cluster moves.
  const StoreFeed& store() const { return store_; }
  // As in StoreMove.
  const std::optional<StoreAddress>& store_address() const { return move_.address(); }
  const StoreFollower& follower() const { return follower_; }
  // True if the network runs on what an earlier run knew, and the store has not answered yet.
  bool goes_on_without_store() const { return !kept_since_.empty(); }
  // Null before the first valid configuration.
  const Network* network() const { return network_.get(); }
  Network* network() { return network_.get(); }

 private:
  void on_snapshot(const Snapshot& snapshot);
  void on_changes(const std::vector<Change>& changes);
  void begin(const Snapshot& snapshot, const std::optional<ConfigRecord>& config);
  void on_state();

  // agent_kept_state.cc: a start from what an earlier run knew, and what the next one will know.
  bool on_kept(const Snapshot& snapshot, bool is_proven);
  Result<void> begin_offline(const Snapshot& snapshot);
  Result<void> open_offline(const Lease& own);
  bool has_kept_lease(const Snapshot& snapshot);
  std::vector<ListedLease> leases_to_keep() const;
  bool knows_all_leases() const;
  void on_store_heard();
  void keep_state();
  StateSaver::Parts saver_parts();
  std::optional<KeptLease> lease_to_keep() const;
  KeptState state_to_keep() const;
  Result<bool> open(const ParsedConfig& parsed);
  void drain_or_not();
  Network::Parts network_parts();
  StoreMove::Parts move_parts();

  AgentOptions options_;
  Parts parts_;
  SwitchableRegistry store_;
  StoreFollower follower_;
  StoreMove move_;
  std::unique_ptr<Network> network_;
  // What becomes network_ once its commands have done what comes before a lease; null: none does.
  std::unique_ptr<Network> opening_;
  ConfigFollower config_;
  StateSaver saver_;
  // What an earlier run knew, until there is a network, or that is of no use.
  std::optional<KeptState> kept_;
  std::string kept_since_;  // this host began without the store: since when it knew that, and until
                            // when it has its lease; empty: it has heard from the store
  std::string unused_why_;  // why what was kept is not used; empty: it is, or there is nothing
  std::optional<DrainNote> drained_;  // nullopt: this host is not drained
  bool leaves_ = false;               // withdraw()
  bool has_drained_ = false;          // for one of these two reasons
};

}  // namespace flannel
