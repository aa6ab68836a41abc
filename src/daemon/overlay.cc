// SPDX-License-Identifier: Apache-2.0
#include "daemon/overlay.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"

namespace flannel {
Overlay::Overlay(Parts parts, std::vector<IpPrefix> networks, std::vector<IpPrefix> earlier)
    : parts_(std::move(parts)),
      networks_(std::move(networks)),
      earlier_networks_(std::move(earlier)),
      reconciler_(parts_.kernel) {}

Scope Overlay::scope() const {
  Scope scope{.link_names = parts_.planes.device_names(), .networks = networks_};
  scope.networks.insert(scope.networks.end(), former_networks_.begin(), former_networks_.end());
  scope.networks.insert(scope.networks.end(), earlier_networks_.begin(), earlier_networks_.end());
  if (own_) scope.own_subnets = values_of(own_->subnet);
  scope.software_checksums = parts_.software_checksums;
  scope.has_policies = has_keys();
  return scope;
}

// Packets of a dataplane come in by the underlay, without encapsulation by then.
bool Overlay::has_keys() const {
  return std::ranges::any_of(parts_.planes.all(),
                             [](const auto& plane) { return plane->keys != nullptr; });
}

bool Overlay::has_network(Family family) const {
  return std::ranges::find(networks_, family, &IpPrefix::family) != networks_.end();
}

bool Overlay::is_usable(const IpPrefix& subnet) const {
  const auto has = [&subnet](const IpPrefix& network) { return network.contains(subnet); };
  return std::ranges::any_of(networks_, has) || std::ranges::any_of(former_networks_, has);
}

NetState Overlay::host_state() const {
  Lease carried = *own_;
  for (const Family family : kFamilies) {
    if (!has_network(family)) carried.subnet.at(family).reset();
  }
  NetState state;
  for (const auto& plane : parts_.planes.all())
    state = joined(std::move(state), plane->host_state(carried));
  for (Link& link : state.links) {
    if (std::holds_alternative<VxlanSettings>(link.kind)) {
      link.software_checksums = parts_.software_checksums;
    }
  }
  if (parts_.blackhole_own_subnet) {
    for (const IpPrefix& subnet : values_of(carried.subnet))
      state.routes.push_back({.to = subnet, .link = {}, .blackhole = true});
  }
  return state;
}

// Returns true if the reconciler has got another state of this host, which a sync carries out.
bool Overlay::update_host() {
  Scope scope = this->scope();
  NetState state = host_state();
  const bool same_scope = scope == host_scope_;
  if (same_scope && state == host_state_) return false;
  host_scope_ = scope;
  host_state_ = state;
  reconciler_.set_host(std::move(scope), std::move(state));
  ingress_changed_ = true;
  all_ways_changed_ = true;
  if (!same_scope) scope_changed_ = true;
  return true;
}

void Overlay::start(const Lease& own, const ListedLeases& leases) {
  own_ = own;
  nested_ = NestedPeers(networks_);
  key_owners_ = {};
  for (const auto& [key, listed] : leases)
    add_lease(listed.lease, listed.created);
  const TimePoint now = parts_.loop.now();
  Planned peers = plan_all();
  update_host();
  reconciler_.set_peers(std::move(peers), now);
  schedule_table();
  reconciler_.sync(now);
  arm_timer();
  report_changes();
}

void Overlay::remove(Scope scope) {
  Planned gone;
  if (own_) gone.emplace_back(own_->subnet.identity(), NetState{});
  for (const Shared<Lease>& lease : nested_.leases()) {
    forget_planned(lease->subnet);
    unreachable_.erase(lease->subnet);
    gone.emplace_back(lease->subnet.identity(), NetState{});
  }
  own_.reset();
  all_ways_changed_ = true;
  former_.clear();
  admitted_.clear();
  nested_ = NestedPeers(networks_);
  key_owners_ = {};
  host_scope_ = std::move(scope);
  host_state_ = {};
  reconciler_.set_host(host_scope_, host_state_);
  reconciler_.set_peers_and_sync(std::move(gone), parts_.loop.now());
  arm_timer();
  report_ways();
}

void Overlay::routes_changed() {
  if (!own_) return;
  const bool any = std::ranges::any_of(
      parts_.planes.all(), [](const auto& plane) { return plane->backend->wants_on_link(); });
  if (any) replan_all();
}

void Overlay::set_surroundings(const Surroundings& surroundings) {
  if (surroundings == parts_.planes.host().surroundings) return;
  parts_.planes.set_surroundings(surroundings);
  if (own_) replan_all();
}

void Overlay::set_networks(std::vector<IpPrefix> networks, std::vector<IpPrefix> former) {
  networks_ = std::move(networks);
  former_networks_ = std::move(former);
  if (!own_) return;
  nested_.set_networks(networks_);
  replan_all();
}

void Overlay::set_blackhole_own_subnet(bool blackhole) {
  if (std::exchange(parts_.blackhole_own_subnet, blackhole) != blackhole && own_) replan_all();
}

void Overlay::set_software_checksums(bool on) {
  if (std::exchange(parts_.software_checksums, on) != on && own_) replan_all();
}

void Overlay::planes_changed() {
  if (own_) replan_all();
}

void Overlay::replan_all() {
  carry_out(plan_all());
}

// Gives the reconciler what was planned. If this host's own objects change, too, both are one
// change: the routes to peers are in place before the route of the network goes, and a device
// before the routes by it.
void Overlay::carry_out(Planned peers) {
  const TimePoint now = parts_.loop.now();
  if (update_host()) {
    reconciler_.set_peers_and_sync(std::move(peers), now);
  } else {
    reconciler_.set_peers(std::move(peers), now);
  }
  schedule_table();
  arm_timer();
  report_changes();
  parts_.on_state();
}

// Plans all peers. Unreachable peers get an empty state.
Overlay::Planned Overlay::plan_all() {
  if (network_covers_address_in_use()) route_each_peer();
  all_ways_changed_ = true;
  const bool before = takes_whole_network();
  Planned peers;
  const auto leases = nested_.leases();
  peers.reserve(leases.size() + 1);
  // A peer may have had our subnet before.
  peers.emplace_back(own_->subnet.identity(), plan(*own_).value_or(NetState{}));
  for (const Shared<Lease>& lease : leases)
    peers.emplace_back(lease->subnet.identity(), plan(lease).value_or(NetState{}));
  // A peer in the network itself has made us route each peer: the peers before it have no route.
  return takes_whole_network() == before ? std::move(peers) : plan_all();
}

// True if our dataplane has objects for all packets to the network.
bool Overlay::takes_whole_network() const {
  const Dataplane& ours = parts_.planes.ours();
  return ours.backend->takes_network() && !ours.host.route_each_peer;
}

// True if one of them is a route.
bool Overlay::routes_whole_network() const {
  return takes_whole_network() && parts_.planes.ours().backend->routes_network();
}

// True if a route to a whole network would capture packets to an address outside of the overlay.
bool Overlay::network_covers_address_in_use() const {
  return std::ranges::any_of(networks_, [this](const IpPrefix& network) {
    return find_clash(network, parts_.planes.host().surroundings).has_value();
  });
}

// Is not undone later, because a route to the whole network has no other advantage.
void Overlay::route_each_peer() {
  if (!takes_whole_network()) return;
  parts_.planes.route_each_peer();
  std::string networks;
  for (const IpPrefix& network : networks_)
    networks += (networks.empty() ? "" : ",") + to_string(network);
  log::warning("the subnets of peers are routed one by one, the network is not",
               {{"network", networks}});
}

// Adds a lease and returns the subnets that must be planned.
std::vector<IpPrefix> Overlay::add_lease(const Shared<Lease>& lease, Revision created) {
  const IpPrefix& name = lease->subnet.identity();
  // It may have had a subnet of another family.
  if (const auto* before = nested_.find_lease(name)) {
    note_former(lease);
    forget_admitted(*before, lease);
    forget_planned((*before)->subnet);
  }
  if (lease->subnet == own_->subnet) return forget_lease(name);
  std::vector<IpPrefix> concerned = nested_.put(lease, created);
  const auto more = key_owners_.put(lease, created);
  concerned.insert(concerned.end(), more.begin(), more.end());
  return concerned;
}

// The same for a lease that is gone.
std::vector<IpPrefix> Overlay::forget_lease(const IpPrefix& name) {
  std::vector<IpPrefix> concerned = nested_.remove(name);
  const auto more = key_owners_.remove(name);
  concerned.insert(concerned.end(), more.begin(), more.end());
  return concerned;
}

void Overlay::set_own(const Lease& own) {
  if (own_ == own) return;
  own_ = own;
  all_ways_changed_ = true;
  if (announces_wireguard() && !former_.empty()) {
    former_.clear();
    return replan_all();
  }
  update_host();
  schedule_table();
  suspect();
  report_changes();
}

void Overlay::apply(const std::vector<PeerChange>& changes) {
  std::set<IpPrefix> concerned;
  for (const PeerChange& change : changes) {
    if (const auto* up = std::get_if<PeerUp>(&change)) {
      log::verbose(2, "Subnet added",
                   {{"subnet", to_string(up->lease->subnet)},
                    {"via", to_string(up->lease->attributes.public_ips())}});
      const auto subnets = add_lease(up->lease, up->created);
      concerned.insert(subnets.begin(), subnets.end());
    } else {
      const Lease& gone = *std::get<PeerDown>(change).lease;
      log::verbose(2, "Subnet removed", {{"subnet", to_string(gone.subnet)}});
      forget_planned(gone.subnet);
      former_.erase(gone.subnet.identity());
      for (const IpPrefix& subnet : values_of(gone.subnet))
        admitted_.erase(subnet);
      unreachable_.erase(gone.subnet);
      const auto subnets = forget_lease(gone.subnet.identity());
      concerned.insert(subnets.begin(), subnets.end());
    }
  }
  const bool before = takes_whole_network();
  // One batch. A peer with an empty state is removed.
  Planned peers;
  for (const IpPrefix& subnet : concerned) {
    const auto* lease = nested_.find_lease(subnet);
    auto state = lease == nullptr ? std::nullopt : plan(*lease);
    peers.emplace_back(subnet, std::move(state).value_or(NetState{}));
  }
  if (takes_whole_network() != before) return replan_all();
  carry_out(std::move(peers));
}

void Overlay::suspect() {
  reconciler_.suspect(parts_.loop.now());
  arm_timer();
}

// Publishes tables, and peers to commands, once for all changes of a turn.
void Overlay::schedule_table() {
  report_ways();
  const bool any = std::ranges::any_of(parts_.planes.all(), [](const auto& plane) {
    return plane->path || plane->commands || plane->keys;
  });
  if (any && !table_due_.armed()) table_due_.arm(parts_.loop.now());
}

void Overlay::tick() {
  const auto before = reconciler_.counters().corrections;
  reconciler_.tick(parts_.loop.now());
  if (const auto mended = reconciler_.counters().corrections - before; mended > 0) {
    log::warning("mended what others changed in the kernel", {{"objects", mended}});
  }
  arm_timer();
  parts_.on_state();
}

}  // namespace flannel
