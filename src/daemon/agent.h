// SPDX-License-Identifier: Apache-2.0
// The agent of one host. It waits for the network configuration, chooses the underlay, takes a
// lease, programs the kernel, writes subnet.env, and then follows the store.
//
//   start ─▶ config? ─▶ underlay, backend ─▶ lease ─▶ kernel ─▶ subnet.env ─▶ ready ─▶ follow
//              │ waits for it, logs once        │ retried for ever
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/fd.h"
#include "core/known_peers.h"
#include "core/lease_table.h"
#include "daemon/dataplanes.h"
#include "daemon/host_check.h"
#include "daemon/lease_runner.h"
#include "daemon/network_check.h"
#include "daemon/overlay.h"
#include "daemon/peer_feed.h"
#include "daemon/store_follower.h"
#include "daemon/store_move.h"
#include "daemon/subnet_file.h"
#include "daemon/underlay_check.h"
#include "filter/packet_rules.h"
#include "loop/timer.h"
#include "plan/underlay_choice.h"
#include "registry/switchable_registry.h"

namespace flannel {

struct AgentOptions {
  UnderlayRequest underlay;
  KeeperOptions keeper;
  NodeTag node;
  std::string subnet_file;  // --subnet-file
  bool ip_masq = false;     // only copied into subnet.env
  bool ip_blackhole_route = false;
  PacketPathWishes packet_path = {};
  // Why this process cannot program the kernel; empty if it can. Then only the backend alloc, which
  // does not need to, can be used.
  std::string powerless = {};
};

// Loop thread only.
class Agent {
 public:
  // The objects and functions that the agent uses. All of them must outlive the agent.
  struct Parts {
    Loop& loop;
    Kernel& kernel;
    Registry& registry;
    std::function<Result<HostView>()> read_host;
    Random random;
    // Called when the kernel has been programmed for the first time, and when the underlay has
    // another name or index: changes of these objects are to be watched.
    std::function<void(const Scope&, const Underlay&)> on_programmed;
    std::function<void()> on_ready;       // once, when ready() becomes true
    std::function<void(Error)> on_fatal;  // the agent cannot continue; the program must exit
    std::function<void()> on_state;       // the result of any accessor below may have changed
    // Opens the packet path of a backend that carries packets in user space. The path calls its
    // `on_state` when its state changes.
    std::function<Result<std::unique_ptr<PacketPath>>(const PacketPathSettings&,
                                                      std::function<void()> on_state)>
        open_packet_path = {};
    // Returns the vxlan devices that a run before left for one of these networks.
    std::function<std::vector<Link>(std::span<const IpPrefix> networks)> left_devices =
        [](std::span<const IpPrefix>) { return std::vector<Link>(); };
    // Locks `what` against other daemons of this host until the descriptors are closed.
    std::function<Result<std::vector<Fd>>(std::string_view what)> acquire_lock = [](auto) {
      return std::vector<Fd>();
    };
    PacketRules* rules = nullptr;  // null: no packet rules are made
    std::function<Result<HostState>(const HostQuery&)> read_traffic_state = [](const HostQuery&) {
      return HostState{};
    };
    // Returns the addresses at which the store is reached.
    std::function<std::vector<IpAddress>()> store_addresses = [] {
      return std::vector<IpAddress>();
    };
    // Opens another store, to which the cluster moves, with the credentials of this host.
    std::function<Result<std::unique_ptr<Registry>>(const StoreAddress&)> open_store =
        [](const StoreAddress&) {
          return Result<std::unique_ptr<Registry>>(
              fail(ErrorKind::unsupported, "this program uses one store only"));
        };
    // Makes a new node id, because another host has ours, and saves it for the next start if
    // possible.
    std::function<Result<NodeId>()> replace_node_id = [] {
      return Result<NodeId>(fail(ErrorKind::unsupported, "the node id is fixed"));
    };
  };

  Agent(AgentOptions options, Parts parts);

  void start();

  // Reads the store again at once, and compares kernel and underlay with the desired state. Called
  // when the operator asks for it (SIGHUP).
  void refresh();
  // Notifications reported changes of our kernel objects by others, or notifications were lost.
  void suspect_kernel();
  // PacketRules::in_place() may have changed.
  void rules_changed();
  // The underlay interface may have appeared, vanished, or changed its name, address, MTU or state.
  void check_underlay();
  // The forwarding of devices, or routes of other programs inside the network, may have changed.
  void suspect_host();

  // True if the data plane is up and containers may be attached. Becomes false again if the device
  // is deleted, or if the state of the host prevents all packets of the overlay.
  bool ready() const;
  // Returns the current problems, one sentence each, whether or not the agent is ready.
  std::vector<std::string> troubles() const;

  // The store that is used: the one of Parts, unless the cluster moves.
  const StoreFeed& store() const { return store_; }
  const StoreFollower& follower() const { return follower_; }
  const KnownPeers* peers() const;
  // The objects below exist once there is a configuration; null before.
  const LeaseTable* table() const;
  const Overlay* overlay() const;
  const LeaseKeeper* keeper() const;
  const NetworkConfig* config() const;
  const Dataplanes* planes() const;
  const Underlay* underlay() const;

 private:
  // Everything that exists only with a configuration. Made in this order and destroyed in reverse.
  struct Session {
    NetworkConfig config;
    // What the lease follows: not yet the present ones, while our objects are not in place.
    NetworkConfig leased;
    Underlay leased_underlay;
    NetworkConfig carried;  // the same, without IPv6 if this kernel has none
    HostView host_view;
    std::optional<SubnetKey> previous;  // the subnets of an earlier run
    // The packet filter may still have rules for these networks of earlier configurations.
    std::vector<IpPrefix> previous_networks;
    // Hosts may still have subnets in these networks, which this run had before the present ones.
    std::vector<IpPrefix> former_networks;
    bool renamed = false;  // the node id and the VTEP MAC are new
    std::unique_ptr<PeerFeed> feed;
    std::unique_ptr<UnderlayCheck> underlay_check;
    std::unique_ptr<HostCheck> host_check;
    std::unique_ptr<NetworkCheck> network_check;
    std::vector<std::vector<Fd>> locks;  // on the networks
    std::unique_ptr<Dataplanes> planes;
    std::unique_ptr<Overlay> overlay;
    std::unique_ptr<LeaseRunner> lease;
    bool overlay_started = false;
    Lease own;  // the lease that the overlay has

    const Underlay& underlay() const { return planes->host().underlay; }
  };

  // agent.cc: a configuration begins the session, and the lease its overlay.
  void on_snapshot(const Snapshot& snapshot);
  void on_changes(const std::vector<Change>& changes);
  void follow(const std::vector<PeerChange>& changes);
  void name_unused_reservations(const Snapshot& snapshot) const;
  void begin(const Snapshot& snapshot);
  Result<std::unique_ptr<Session>> open_session(const ParsedConfig& parsed);
  Result<Underlay> choose(const NetworkConfig& config, const HostView& host) const;
  std::unique_ptr<Dataplanes> make_planes();
  Result<void> open_planes(Session& session, const Underlay& underlay);
  Result<MadeBackend> make_ours(const NetworkConfig& config, const Underlay& underlay) const;
  LeaseAttributes announce(const Session& session, const Lease* previous) const;
  LeaseKeeper make_keeper(const Session& session) const;
  LeaseKeeper make_keeper_elsewhere(const Lease& lease, LeaseKeeper::Announce announce) const;
  StoreMove::Parts move_parts();
  void program_before_lease();
  void program(const Lease& lease);
  void on_lease_active(const Lease& lease);
  void watch_kernel();
  void update_readiness();
  void write_subnet_file();

  // agent_config.cc: changes of the configuration while the session lasts.
  void follow_config(const std::optional<ConfigRecord>& record);
  Result<void> adopt(const ParsedConfig& parsed);
  void keep_former_networks(const std::vector<IpPrefix>& former);
  void announce_config();
  Result<void> lock_networks(Session& session, const NetworkConfig& config);
  void set_config_trouble(std::string text);

  // agent_checks.cc: the parts of a session that watch peers, underlay, host and network.
  std::unique_ptr<PeerFeed> make_feed();
  std::unique_ptr<UnderlayCheck> make_underlay_check();
  Result<void> use(const Underlay& underlay);
  std::unique_ptr<HostCheck> make_host_check();
  std::unique_ptr<NetworkCheck> make_network_check(Session& session);

  // agent_identity.cc: the node id and the VTEP MAC, which no other host may have.
  HostIdentity identity() const;
  void leave_name_to_older_host();
  void leave_name_while_running();
  void leave_name_soon();
  TimePoint earliest_rename() const;
  void take_another_name(const Lease& other, std::string_view shared);

  // agent_troubles.cc
  void lease_troubles(std::vector<std::string>& all) const;
  void peer_troubles(std::vector<std::string>& all) const;

  AgentOptions options_;
  Parts parts_;
  SubnetFile subnet_file_;
  SwitchableRegistry store_;
  StoreFollower follower_;
  StoreMove move_;
  std::unique_ptr<Session> session_;
  Timer retry_file_{parts_.loop, [this] { update_readiness(); }};
  // Armed while a change of the node id is pending.
  Timer rename_{parts_.loop, [this] { leave_name_while_running(); }};
  TimePoint renamed_at_{};
  bool ready_ = false;
  std::string config_trouble_;
  std::optional<ConfigRecord> config_record_;  // that the store reported last
  Timer retry_config_{parts_.loop, [this] { follow_config(config_record_); }};
  std::string kernel_trouble_;
  std::string file_trouble_;
};

}  // namespace flannel
