// SPDX-License-Identifier: Apache-2.0
// One range of addresses as this host takes part in it: its configuration as it stands now, our
// lease, the peers, the kernel objects, the packet rules and subnet.env.
//
//   open ─▶ underlay, locks, backend    start ─▶ lease ─▶ kernel ─▶ subnet.env ─▶ ready ─▶ follow
//                                                  │ retried for ever
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "base/fd.h"
#include "core/known_peers.h"
#include "core/lease_table.h"
#include "daemon/agent_options.h"
#include "daemon/dataplanes.h"
#include "daemon/host.h"
#include "daemon/host_check.h"
#include "daemon/key_rotation.h"
#include "daemon/lease_runner.h"
#include "daemon/network_check.h"
#include "daemon/overlay.h"
#include "daemon/peer_feed.h"
#include "daemon/prober.h"
#include "daemon/store_follower.h"
#include "daemon/subnet_file.h"
#include "daemon/underlay_check.h"
#include "filter/packet_rules.h"
#include "loop/timer.h"

namespace flannel {

// Loop thread only.
class Network {
 public:
  // The objects and functions that the network uses. All of them must outlive it.
  struct Parts {
    Loop& loop;
    Kernel& kernel;
    Host& host;
    Registry& store;
    StoreFollower& follower;
    Random random;
    PacketRules* rules;  // null: no packet rules are made
    // Called when the kernel has been programmed for the first time, and when the underlay has
    // another name or index: changes of these objects are to be watched.
    std::function<void(const Scope&, const Underlay&)> on_programmed;
    std::function<void()> on_prepared;           // is_prepared() has become true before start()
    std::function<void()> on_ready;              // once, when ready() becomes true
    std::function<void(const Lease&)> on_lease;  // it is ours; again when its attributes change
    std::function<void()> on_state;  // the result of any accessor below may have changed
  };

  // Chooses the underlay and opens the dataplane of the configuration. Failures are those that last
  // until the operator acts.
  static Result<std::unique_ptr<Network>> open(AgentOptions options, Parts parts,
                                               const ParsedConfig& parsed);
  // False: commands must succeed before there can be a lease. Until then only append_problems() and
  // planes() may be called.
  bool is_prepared() const { return planes_.is_prepared(); }
  // Returns the underlay that open() would choose now, and logs nothing.
  static Result<Underlay> underlay_for(const NetworkConfig& config, const UnderlayRequest& request,
                                       Host& host);
  // Takes a lease, unless the host is drained. To be called once, before any function below.
  void start(const Snapshot& snapshot, bool drained);
  // In place of start(), with the lease of an earlier run, which ends on the clock of the loop.
  void resume(const Snapshot& snapshot, const Lease& lease, const KeptLease& kept);

  // True if this run has had a lease, or goes on with that of an earlier run.
  bool has_had_lease() const { return lease_ && keeper().lease().has_value(); }

  // What the store reports, except of the configuration.
  void on_snapshot(const Snapshot& snapshot);
  void on_changes(const std::vector<Change>& changes);
  // Takes the place of the running configuration, in the order that loses no packet. A failure
  // leaves that in force.
  Result<void> adopt(const ParsedConfig& parsed);
  // Applies the options that AgentOptions::take_live() takes over. The running underlay stays until
  // the one that is asked for can be used.
  void reconfigure(const AgentOptions& wanted);
  // As in Agent.
  void set_software_checksums(bool on);
  // Another store is used from now on, and a list of it follows. `has_lease`: this host has its
  // lease there, too.
  void on_other_store(bool has_lease) { lease_->on_other_store(has_lease); }
  void on_connection() { feed_.on_connection(); }
  void on_resumed() { lease_->on_resumed(); }
  // This host is drained: its lease is withdrawn, and nothing else changes. And it no longer is.
  void drain();
  void undrain();
  // As in Dataplanes.
  void end_commands(std::function<void()> done) { planes_.end_commands(std::move(done)); }

  // This host leaves for good, and has given up its lease: removes its kernel objects, its rules
  // and the subnet file, and makes none from now on. on_state() is called when has_left() may have
  // become true.
  void leave();
  bool has_left() const;
  // Returns what of this host has addresses of our subnets in use, or why that cannot be seen;
  // nullopt: nothing has.
  std::optional<std::string> used_by() const;

  // Notifications reported changes of our kernel objects by others, or notifications were lost.
  void suspect_kernel();
  // Runs the commands of peers again, as the operator asks for.
  void replay_commands() { planes_.replay_commands(); }
  // PacketRules::in_place() may have changed.
  void rules_changed();
  // The underlay interface may have appeared, vanished, or changed its name, address, MTU or state.
  void check_underlay() { underlay_check_.check(); }
  // Checks now, or soon, how the host forwards packets, and the routes of other programs.
  void check_host();
  void suspect_host();

  // Gives this host another WireGuard key. `done` is called once, perhaps before this returns.
  void rotate_wireguard_key(KeyRotation::Done done);

  // Makes a keeper that holds the subnet of `lease` in another store.
  LeaseKeeper make_keeper_elsewhere(const Lease& lease, LeaseKeeper::Announce announce) const;

  // True if the data plane is up and containers may be attached. Becomes false again if the device
  // is deleted, or if the state of the host prevents all packets of the overlay, or while this host
  // is drained and until it has its lease again.
  bool ready() const;
  // Appends what is wrong now, whether or not the network is ready.
  void append_problems(std::vector<Problem>& all) const;

  // The vxlan devices, whose checksums can be filled in by the kernel.
  std::vector<std::string> vxlan_devices() const;

  // What containers of this host may use, as the subnet file has it; nullopt: nothing before this
  // host is ready for the first time, while it is drained, and without a lease.
  std::optional<SubnetEnv> subnet_env() const;

  // The networks of the configuration, and those before in which hosts may still have subnets.
  std::vector<IpPrefix> ranges() const;
  HostIdentity identity() const;
  const NetworkConfig& config() const { return config_; }
  const KnownPeers& peers() const { return feed_.peers(); }
  const LeaseTable& table() const { return feed_.peers().table(); }
  const Overlay& overlay() const { return overlay_; }
  const LeaseKeeper& keeper() const { return lease_->keeper(); }
  const Dataplanes& planes() const { return planes_; }
  const Prober& prober() const { return prober_; }
  Prober& prober() { return prober_; }
  const Underlay& underlay() const { return planes_.host().underlay; }

 private:
  // What our lease announces: not yet the present ones, while their objects are not in place.
  struct Announced {
    NetworkConfig config;
    Underlay underlay;
    bool operator==(const Announced&) const = default;
  };

  Network(AgentOptions options, Parts parts, const NetworkConfig& config, const HostView& view,
          const Underlay& underlay);

  // network.cc: from a configuration to a lease, and from that to a host that is ready.
  Result<void> open_plane();
  std::optional<Lease> begin(const Snapshot& snapshot);
  NetworkConfig carried() const;
  LeaseAttributes announce(const Lease* previous) const;
  LeaseKeeper make_keeper() const;
  void follow(const std::vector<PeerChange>& changes);
  std::optional<Lease> adopt_former();
  void program(const Lease& lease);
  void on_lease_active(const Lease& lease);
  void watch_kernel();
  void want_rules();
  void update_readiness();
  void on_commands();
  void write_subnet_file();
  SubnetEnv env_of(const SubnetKey& subnet) const;

  // network_drain.cc: a host that has left the cluster for a while.
  void begin_drained(const Snapshot& snapshot);

  // network_parts.cc: what the parts of a network need of each other.
  bool has_lease() const;
  Dataplanes::Parts planes_parts();
  PeerFeed::Parts feed_parts();
  Overlay::Parts overlay_parts(const HostView& view);
  UnderlayCheck::Parts underlay_parts();
  HostCheck::Parts host_parts();
  NetworkCheck::Parts network_parts();
  Prober::Parts prober_parts();
  KeyRotation::Parts rotation_parts();

  // network_changes.cc: the choice of underlay and backend, and changes of both.
  static Result<Underlay> choose(const NetworkConfig& config, const UnderlayRequest& request,
                                 const HostView& view);
  Result<MadeBackend> make_ours(const NetworkConfig& config, const Underlay& underlay) const;
  void follow_config(const NetworkConfig& config);
  void keep_former_networks(const std::vector<IpPrefix>& former);
  void announce_changes();
  Result<void> use(const Underlay& underlay);
  Result<void> lock(const std::vector<IpPrefix>& networks);
  Result<void> take_locks(const std::vector<IpPrefix>& networks);

  // network_identity.cc: the node id and the VTEP MAC, which no other host may have.
  void leave_name_to_older_host();
  void leave_name_while_running();
  void leave_name_soon();
  bool is_outranked() const;
  void compare_with_older_leases();
  TimePoint earliest_rename() const;
  void take_another_name(const Lease& other, std::string_view shared);

  // network_keys.cc: the WireGuard key of this host.
  Result<void> check_key_can_change() const;
  void leave_key_to_older_host();
  void on_key_left(const Result<RotatedKey>& left);
  Result<void> use_keys(const WireguardIdentity& keys);

  // network_problems.cc
  void name_unused_reservations(const Snapshot& snapshot) const;
  void append_lease_problems(std::vector<Problem>& all) const;
  void append_subnet_problems(const IpPrefix& subnet, std::vector<Problem>& all) const;

  AgentOptions options_;
  Parts parts_;
  NetworkConfig config_;
  const bool has_ipv6_;  // this kernel has it
  SubnetFile subnet_file_;
  std::optional<SubnetKey> previous_;  // the subnets of an earlier run
  // The packet filter may still have rules for these networks of earlier configurations.
  std::vector<IpPrefix> previous_networks_;
  // Hosts may still have subnets in these networks, which this run had before the present ones.
  std::vector<IpPrefix> former_networks_;
  std::vector<std::vector<Fd>> locks_;  // on the networks locked_
  std::vector<IpPrefix> locked_;
  Dataplanes planes_;
  PeerFeed feed_;
  Prober prober_;  // before the overlay, which reports changes of ways to it
  Overlay overlay_;
  UnderlayCheck underlay_check_;
  HostCheck host_check_;
  NetworkCheck network_check_;
  KeyRotation rotation_;
  std::unique_ptr<LeaseRunner> lease_;  // null before start()
  Announced announced_;
  std::optional<Lease> own_;  // the lease that the overlay has; nullopt: the overlay has not begun
  bool ready_ = false;        // on_ready() has been called
  bool withdrawn_ = false;    // the host has been drained, and has no lease since
  bool leaves_ = false;       // leave() has been called
  TimePoint leave_key_at_{};  // a key that an older host has is left at this time or later
  Timer rename_;              // armed while another look at older leases is due
  // When the keeper last had to list because of an older lease.
  std::optional<TimePoint> outranked_at_;
  std::optional<TimePoint> renamed_at_;  // nullopt: the node id and the VTEP MAC are the first ones
};

}  // namespace flannel
