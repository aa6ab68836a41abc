// SPDX-License-Identifier: Apache-2.0
#include "daemon/overlay.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"

namespace flannel {
namespace {

using Failures = std::vector<std::pair<Family, std::string>>;

// "IPv6: its VNI is 2, ours is 1"; what both families have in common is said once.
std::string reason_of(const Failures& failures, bool is_dual) {
  const std::string& first = failures.front().second;
  if (!is_dual || (failures.size() == 2 && failures.back().second == first)) return first;
  std::string text;
  for (const auto& [family, why] : failures)
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", to_string(family), why);
  return text;
}

}  // namespace

Overlay::Overlay(Parts parts, std::vector<IpPrefix> networks)
    : parts_(std::move(parts)), networks_(std::move(networks)), reconciler_(parts_.kernel) {}

Scope Overlay::scope() const {
  Scope scope{.link_names = parts_.planes.device_names(), .networks = networks_};
  scope.networks.insert(scope.networks.end(), former_networks_.begin(), former_networks_.end());
  if (own_) scope.own_subnets = values_of(own_->subnet);
  return scope;
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
  if (!same_scope) parts_.on_scope();
  return true;
}

Result<void> Overlay::start(const Lease& own, const std::map<SubnetKey, ListedLease>& leases) {
  own_ = own;
  leases_.clear();
  nested_ = NestedPeers(networks_);
  for (const auto& [key, listed] : leases)
    add_lease(listed.lease, listed.created);
  const TimePoint now = parts_.loop.now();
  Planned peers = plan_all();
  update_host();
  reconciler_.set_peers(std::move(peers), now);
  schedule_table();
  auto synced = reconciler_.sync(now);
  arm_timer();
  return synced;
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
    // A failure to read the kernel is retried by the reconciler.
    if (auto synced = reconciler_.set_peers_and_sync(std::move(peers), now); !synced) {
      log::error("cannot program the kernel", {{"why", synced.error().text}});
    }
  } else {
    reconciler_.set_peers(std::move(peers), now);
  }
  schedule_table();
  arm_timer();
  parts_.on_state();
}

// Plans all leases. Unreachable peers get an empty state.
Overlay::Planned Overlay::plan_all() {
  if (network_covers_address_in_use()) route_each_peer();
  const bool before = routes_whole_network();
  Planned peers;
  peers.reserve(leases_.size());
  for (const auto& [subnet, lease] : leases_)
    peers.emplace_back(subnet, plan(lease).value_or(NetState{}));
  unreachable_.log_changes();
  // A peer in the network itself has made us route each peer: the peers before it have no route.
  return routes_whole_network() == before ? std::move(peers) : plan_all();
}

// True if our dataplane has one route for the network.
bool Overlay::routes_whole_network() const {
  const Dataplane& ours = parts_.planes.ours();
  return ours.path != nullptr && !ours.host.route_each_peer;
}

// True if a route to a whole network would capture packets to an address outside of the overlay.
bool Overlay::network_covers_address_in_use() const {
  return std::ranges::any_of(networks_, [this](const IpPrefix& network) {
    return find_clash(network, parts_.planes.host().surroundings).has_value();
  });
}

// Is not undone later, because a route to the whole network has no other advantage.
void Overlay::route_each_peer() {
  if (!routes_whole_network()) return;
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
  if (const auto at = leases_.find(name); at != leases_.end()) forget_planned(at->second->subnet);
  leases_.insert_or_assign(name, lease);
  if (lease->subnet == own_->subnet) return {name};
  return nested_.put(lease, created);
}

std::string Overlay::network_trouble() const {
  if (!routes_whole_network()) return {};
  for (const IpPrefix& network : networks_) {
    if (auto held = find_held(network, parts_.planes.host().surroundings)) return *std::move(held);
  }
  return {};
}

void Overlay::set_own(const Lease& own) {
  if (own_ == own) return;
  own_ = own;
  update_host();
  schedule_table();
  suspect();
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
      leases_.erase(gone.subnet.identity());
      forget_planned(gone.subnet);
      unreachable_.erase(gone.subnet);
      const auto subnets = nested_.remove(gone.subnet.identity());
      concerned.insert(subnets.begin(), subnets.end());
    }
  }
  const bool before = routes_whole_network();
  // One batch. A peer with an empty state is removed.
  Planned peers;
  for (const IpPrefix& subnet : concerned) {
    const auto lease = leases_.find(subnet);
    auto state = lease == leases_.end() ? std::nullopt : plan(lease->second);
    peers.emplace_back(subnet, std::move(state).value_or(NetState{}));
  }
  unreachable_.log_changes();
  if (routes_whole_network() != before) return replan_all();
  carry_out(std::move(peers));
}

void Overlay::suspect() {
  reconciler_.suspect(parts_.loop.now());
  arm_timer();
}

// Why no subnet of the peer can be reached; nullopt: each family is to be tried.
std::optional<std::string> Overlay::peer_trouble(const Lease& peer) const {
  if (peer.attributes.public_ips().shared_with(own_->attributes.public_ips())) return kOurOwn;
  if (auto nested = nested_.find_trouble(peer.subnet.identity())) return nested;
  const bool any = std::ranges::any_of(
      kFamilies, [&](Family family) { return peer.subnet.at(family) && own_->subnet.at(family); });
  if (any) return std::nullopt;
  return "this host has no subnet of its family: ours is " + to_string(own_->subnet);
}

// Returns nullopt for our own lease and for a peer of which no subnet can be reached.
std::optional<NetState> Overlay::plan(const Lease& peer) {
  forget_planned(peer.subnet);
  if (peer.subnet == own_->subnet) {
    unreachable_.erase(peer.subnet);  // its record was seen before it was the lease
    return std::nullopt;
  }
  if (const auto trouble = peer_trouble(peer)) {
    unreachable_.put(peer.subnet, *trouble);
    return std::nullopt;
  }
  std::optional<NetState> all;
  Failures failures;
  for (const IpPrefix& network : networks_) {
    const Family family = network.family();
    if (!peer.subnet.at(family) || !own_->subnet.at(family)) continue;
    auto state = plan_subnet(peer, network);
    if (state) {
      all = all ? joined(*std::move(all), *std::move(state)) : *std::move(state);
    } else {
      failures.emplace_back(family, state.error().text);
    }
  }
  if (failures.empty()) {
    unreachable_.erase(peer.subnet);
  } else {
    unreachable_.put(peer.subnet, reason_of(failures, peer.subnet.v4 && peer.subnet.v6));
  }
  if (all) ++peers_;
  return all;
}

// Plans the peer's subnet of this network's family.
Result<NetState> Overlay::plan_subnet(const Lease& peer, const IpPrefix& network) {
  const Family family = network.family();
  const IpPrefix& subnet = *peer.subnet.at(family);
  if (!is_usable(subnet)) {
    return fail(ErrorKind::invalid, fmt::format("{} is outside of the network {}",
                                                to_string(subnet), to_string(network)));
  }
  const auto check = [&](const Dataplane& plane) -> Result<void> {
    TRY(plan_by(plane, peer, family));
    return {};
  };
  auto plane = TRY(parts_.planes.reach(peer.attributes, check));
  auto [carrier, state] = TRY(plan_by(*plane, peer, family));
  const bool in_network =
      std::ranges::any_of(networks_, [&](const IpPrefix& any) { return any.contains(carrier); });
  if (in_network) route_each_peer();
  const std::string& underlay = plane->host.underlay.interface;
  const bool unwrapped = std::ranges::any_of(
      state.routes, [&underlay](const Route& route) { return route.link == underlay; });
  parts_.planes.add_peer(*plane);
  planned_.insert_or_assign(subnet, Way{std::move(plane), carrier, unwrapped});
  return std::move(state);
}

// Returns the public IP to which packets are sent, and the objects by which they are.
Result<std::pair<IpAddress, NetState>> Overlay::plan_by(const Dataplane& plane, const Lease& peer,
                                                        Family family) const {
  const IpAddress carrier = TRY(plane.backend->carrier(peer, family, plane.host));
  NetState state =
      TRY(plane.backend->peer_state(*own_, peer, plane.host, path_to(plane, carrier, family)));
  return std::pair{carrier, std::move(state)};
}

PeerPath Overlay::path_to(const Dataplane& plane, const IpAddress& carrier, Family family) const {
  PeerPath path{.family = family, .carrier = carrier};
  if (!plane.backend->wants_on_link()) return path;
  const auto found = parts_.lookup_route(carrier);
  path.on_link =
      found && !found->gateway && found->interface_index == plane.host.underlay.interface_index;
  path.off_link = found && !path.on_link;
  return path;
}

void Overlay::forget_planned(const SubnetKey& key) {
  std::size_t forgotten = 0;
  for (const IpPrefix& subnet : values_of(key)) {
    const auto way = planned_.find(subnet);
    if (way == planned_.end()) continue;
    parts_.planes.remove_peer(*way->second.plane);
    planned_.erase(way);
    ++forgotten;
  }
  if (forgotten > 0) --peers_;
}

// Publishes tables once for all changes of a turn.
void Overlay::schedule_table() {
  const bool any = parts_.planes.packet_path() != nullptr;
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
