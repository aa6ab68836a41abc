// SPDX-License-Identifier: Apache-2.0
// Plans the kernel objects for all leases, each peer with the dataplane of what it announces, and
// passes them to the reconciler. A peer to which no packet can be sent is in unreachable() with the
// reason, and does not affect others.
#pragma once

#include <absl/container/btree_map.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/lease_table.h"
#include "core/nested_peers.h"
#include "daemon/dataplanes.h"
#include "daemon/key_owners.h"
#include "daemon/unreachable_peers.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "plan/host_problems.h"
#include "plan/reconciler.h"
#include "probe/port.h"
#include "rules/docker_rules.h"

namespace flannel {

// Loop thread only.
class Overlay {
 public:
  struct Parts {
    Loop& loop;
    Kernel& kernel;
    Dataplanes& planes;  // must outlive the overlay
    std::function<Result<RouteLookup>(IpAddress)> lookup_route;
    std::function<void()> on_state;    // unmet() or unreachable() may have changed
    std::function<void()> on_scope;    // scope() has changed
    std::function<void()> on_ingress;  // ingress() has changed
    // probe_targets() and probe_devices() may have changed: for any peer, and for these.
    std::function<void()> on_ways;
    std::function<void(const std::vector<SubnetKey>& peers)> on_ways_to;
    bool blackhole_own_subnet = false;  // drop packets to our subnet that match no other route
    bool software_checksums = false;    // the kernel fills them in on vxlan devices
  };

  // `networks`: those of the configuration that this kernel can carry, at most one of each family.
  // Subnets of another family in leases have no effect. `earlier`: those of an earlier run, which
  // may have left objects that are to be removed.
  Overlay(Parts parts, std::vector<IpPrefix> networks, std::vector<IpPrefix> earlier);

  // Plans the objects of our lease and of all others, and makes the kernel equal to them. What
  // fails is retried; append_problems() says why.
  void start(const Lease& own, const ListedLeases& leases);

  // Removes all kernel objects, and makes none from now on. What fails is retried; is_removed()
  // says whether they are gone. The packet paths are closed before.
  void remove(Scope scope);
  bool is_removed() const;

  // Applies changed attributes of our lease.
  void set_own(const Lease& own);

  // Applies other networks, as those of the constructor. Leases in `former` ones, in which hosts
  // may still have theirs, stay usable.
  void set_networks(std::vector<IpPrefix> networks, std::vector<IpPrefix> former);
  // Drops, or no longer drops, packets to our subnet that match no other route.
  void set_blackhole_own_subnet(bool blackhole);
  // The kernel fills in the checksums of packets by vxlan devices, or no longer.
  void set_software_checksums(bool on);
  // The dataplanes, or what they know of the host, have changed: plans all leases again.
  void planes_changed();

  void apply(const std::vector<PeerChange>& changes);

  // The routes to public IPs may have changed: plans all peers again if the backend uses them.
  void routes_changed();
  // Applies the addresses that the host uses outside of the overlay; objects that would cover them
  // are removed.
  void set_surroundings(const Surroundings& surroundings);

  // Returns which kernel objects are ours.
  Scope scope() const;

  // Returns the devices and peers from which packets of the overlay enter this host.
  OverlayIngress ingress() const;

  // Returns the ways to peers, to be probed, and the devices by which packets of peers come in;
  // none before start().
  std::vector<ProbeTarget> probe_targets() const;
  // Those to one peer, which may be unknown.
  std::vector<ProbeTarget> probe_targets(const SubnetKey& peer) const;
  std::vector<ProbeDevice> probe_devices() const;

  // Return the input of HostCheck: what it reads of the host for each family of our lease, and the
  // present state of the overlay in one of these families. Only after start().
  std::vector<HostQuery> host_queries() const;
  OverlayView view(Family family) const;

  // To be called when another program may have changed our kernel objects, or notifications were
  // lost: compares all objects again.
  void suspect();

  // True if the device and its addresses, and what commands make for this host, are in place, and
  // packets to the network reach the device,
  // so that containers may be attached.
  bool host_in_place() const {
    return reconciler_.host_in_place() && parts_.planes.in_place() && !find_holder();
  }
  // Appends what is wrong with kernel objects, and which peers cannot be reached.
  void append_problems(std::vector<Problem>& all) const;
  // Peers whose objects are desired in the kernel.
  std::size_t peers() const { return peers_; }
  // The bytes to and from this subnet of a peer since this host knows the peer; null: they are not
  // counted, because the kernel carries the packets.
  const PeerBytes* bytes_of(const IpPrefix& subnet) const;
  const UnreachablePeers& unreachable() const { return unreachable_; }
  // Which other hosts have which WireGuard keys.
  const KeyOwners& key_owners() const { return key_owners_; }
  Result<Comparison> compare_kernel() const { return reconciler_.compare(); }
  std::map<std::string, std::string> unmet() const { return reconciler_.unmet(); }
  std::size_t more_unmet() const { return reconciler_.more_unmet(); }
  const ReconcileCounters& counters() const { return reconciler_.counters(); }

 private:
  // The reason for an earlier lease of this host, which is no problem.
  static constexpr const char* kOurOwn = "its public IP is our own";

  using Planned = std::vector<std::pair<IpPrefix, NetState>>;
  // The way to one subnet of a peer.
  struct Way {
    std::shared_ptr<Dataplane> plane;
    IpAddress carrier;
    bool unwrapped = false;       // packets are sent without encapsulation
    DeviceName device = {};       // by which they are sent
    std::optional<Mac> mac = {};  // of the peer there
    // Another one that the peer announces, and by which packets to it go later; null: none.
    std::shared_ptr<Dataplane> next = {};
  };

  std::optional<Problem> find_holder() const;
  bool has_keys() const;
  bool has_network(Family family) const;
  bool is_usable(const IpPrefix& subnet) const;
  NetState host_state() const;
  bool update_host();
  void carry_out(Planned peers);
  std::optional<NetState> plan(const Lease& peer);
  std::optional<std::string> why_unreachable(const Lease& peer) const;
  Result<NetState> plan_subnet(const Lease& peer, const IpPrefix& network);
  bool announces_wireguard() const;
  void note_former(const Lease& next);
  std::optional<NetState> plan_former(const Lease& peer, Family family,
                                      const std::shared_ptr<Dataplane>& next,
                                      const NetState& by_next);
  void admit(const IpPrefix& subnet, NetState& state);
  void let_pass(const IpPrefix& subnet, NetState& state) const;
  void forget_admitted(const Lease& before, const Lease& next);
  void add_planned(const IpPrefix& subnet, std::shared_ptr<Dataplane> plane,
                   const IpAddress& carrier, const NetState& state);
  Result<std::pair<IpAddress, NetState>> plan_by(const Dataplane& plane, const Lease& peer,
                                                 Family family) const;
  Lease with_usable_subnets(Lease peer) const;
  std::vector<IpPrefix> one_way_peers(Family family) const;
  HostQuery host_query(const IpPrefix& network) const;
  PeerPath path_to(const Dataplane& plane, const IpAddress& carrier, Family family) const;
  Planned plan_all();
  std::vector<IpPrefix> add_lease(const Shared<Lease>& lease, Revision created);
  std::vector<IpPrefix> forget_lease(const IpPrefix& name);
  void replan_all();
  bool takes_whole_network() const;
  bool routes_whole_network() const;
  bool network_covers_address_in_use() const;
  void route_each_peer();
  void forget_planned(const SubnetKey& subnet);
  void tick();
  void arm_timer() { reconciler_timer_.arm(reconciler_.next_wakeup()); }
  void add_way(const IpPrefix& subnet, Way way);
  void report_changes();
  void note_ways(const SubnetKey& peer);
  void report_ways();
  void schedule_table();
  void publish_tables();
  void publish_table(Dataplane& plane);
  ProbeTarget probe_target(const Lease& lease, const IpPrefix& subnet, const Way& way) const;
  void pass_to_commands(Dataplane& plane);
  void pass_to_keys(Dataplane& plane);
  std::vector<OverlayPeer> senders_to(const Dataplane& plane) const;

  Parts parts_;
  std::vector<IpPrefix> networks_;
  std::vector<IpPrefix> former_networks_;
  std::vector<IpPrefix> earlier_networks_;
  std::optional<Lease> own_;
  Reconciler reconciler_;
  // What the reconciler has for this host.
  Scope host_scope_;
  NetState host_state_;
  NestedPeers nested_{networks_};  // the leases of all peers, also of unreachable ones
  KeyOwners key_owners_;           // of the same leases
  // Peers that announce WireGuard while we do not, as they were before: they do not know our key.
  std::map<IpPrefix, Shared<Lease>> former_;
  // What lets packets from a subnet in, also for Dataplanes::kLinger after its host has announced
  // another backend than WireGuard.
  struct Admitted {
    std::vector<Shared<WireguardPeer>> peers;
    TimePoint until = kNever;  // kNever: its host announces WireGuard
  };
  std::map<IpPrefix, Admitted> admitted_;
  std::size_t peers_ = 0;                   // with at least one subnet in planned_
  absl::btree_map<IpPrefix, Way> planned_;  // by the subnets that packets reach
  // The carriers of unwrapped ways, with the number of these.
  absl::btree_map<IpAddress, std::uint32_t> neighbours_;
  // Since on_ways() or on_ways_to() was called.
  bool all_ways_changed_ = true;
  std::vector<SubnetKey> changed_ways_;
  // Since on_scope() and on_ingress() were last called.
  bool scope_changed_ = false;
  bool ingress_changed_ = false;
  UnreachablePeers unreachable_;
  Timer reconciler_timer_{parts_.loop, [this] { tick(); }};
  Timer admitted_over_{parts_.loop, [this] { planes_changed(); }};
  Timer table_due_{parts_.loop, [this] { publish_tables(); }};  // armed until the end of this turn
};

}  // namespace flannel
