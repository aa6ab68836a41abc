// SPDX-License-Identifier: Apache-2.0
#include "daemon/overlay.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"

namespace flannel {
namespace {

constexpr std::size_t kNamed =
    8;  // peers that become unreachable at once and have a line of their own

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

Overlay::Overlay(Parts parts, HostFacts host, std::vector<IpPrefix> networks)
    : parts_(std::move(parts)),
      host_(std::move(host)),
      networks_(std::move(networks)),
      reconciler_(parts_.kernel) {}

Scope Overlay::scope() const {
  Scope scope{.link_names = device_names(parts_.backend), .networks = networks_};
  if (parts_.path != nullptr) scope.link_names.push_back(host_.tun_device);
  if (own_) scope.own_subnets = values_of(own_->subnet);
  return scope;
}

bool Overlay::has_network(Family family) const {
  return std::ranges::find(networks_, family, &IpPrefix::family) != networks_.end();
}

void Overlay::set_host() {
  Lease carried = *own_;
  for (const Family family : kFamilies) {
    if (!has_network(family)) carried.subnet.at(family).reset();
  }
  NetState state = parts_.backend.host_state(carried, host_);
  if (parts_.blackhole_own_subnet) {
    for (const IpPrefix& subnet : values_of(carried.subnet))
      state.routes.push_back({.to = subnet, .link = {}, .blackhole = true});
  }
  reconciler_.set_host(scope(), std::move(state));
  host_routes_each_peer_ = host_.route_each_peer;
}

Result<void> Overlay::start(const Lease& own, const std::map<SubnetKey, ListedLease>& leases) {
  own_ = own;
  leases_.clear();
  nested_ = NestedPeers(networks_);
  for (const auto& [key, listed] : leases)
    add_lease(listed.lease, listed.created);
  const TimePoint now = parts_.loop.now();
  Planned peers = plan_all();
  set_host();
  reconciler_.set_peers(std::move(peers), now);
  schedule_table();
  auto synced = reconciler_.sync(now);
  arm_timer();
  return synced;
}

void Overlay::routes_changed() {
  if (own_ && parts_.backend.wants_on_link()) replan_all();
}

void Overlay::set_surroundings(Surroundings surroundings) {
  if (surroundings == host_.surroundings) return;
  host_.surroundings = std::move(surroundings);
  if (own_) replan_all();
}

// Plans the peers before the host, so that their routes exist before the route of the network goes.
void Overlay::replan_all() {
  reconciler_.set_peers(plan_all(), parts_.loop.now());
  if (host_.route_each_peer != host_routes_each_peer_) {
    set_host();
    // A failure to read the kernel is retried by the reconciler.
    if (auto synced = reconciler_.sync(parts_.loop.now()); !synced) {
      log::error("cannot program the kernel", {{"why", synced.error().text}});
    }
  }
  schedule_table();
  arm_timer();
  parts_.on_state();
}

// Plans all leases. Unreachable peers get an empty state.
Overlay::Planned Overlay::plan_all() {
  if (network_covers_address_in_use()) route_each_peer();
  const bool before = host_.route_each_peer;
  Planned peers;
  peers.reserve(leases_.size());
  for (const auto& [subnet, lease] : leases_)
    peers.emplace_back(subnet, plan(lease).value_or(NetState{}));
  log_unreachable();
  // A peer in the network itself has changed route_each_peer, so the peers before it have no route.
  return host_.route_each_peer == before ? std::move(peers) : plan_all();
}

// True if a route to a whole network would capture packets to an address outside of the overlay.
bool Overlay::network_covers_address_in_use() const {
  return std::ranges::any_of(networks_, [this](const IpPrefix& network) {
    return find_clash(network, host_.surroundings).has_value();
  });
}

// Is not undone later, because a route to the whole network has no other advantage.
void Overlay::route_each_peer() {
  if (parts_.path == nullptr || host_.route_each_peer) return;
  host_.route_each_peer = true;
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
  if (parts_.path == nullptr || host_.route_each_peer) return {};
  for (const IpPrefix& network : networks_) {
    if (auto held = find_held(network, host_.surroundings)) return *std::move(held);
  }
  return {};
}

void Overlay::set_own(const Lease& own) {
  if (own_ == own) return;
  own_ = own;
  set_host();
  schedule_table();
  suspect();
}

void Overlay::set_underlay(const Underlay& underlay) {
  host_.underlay = underlay;
  if (!own_) return;
  set_host();
  replan_all();
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
      mark_reachable(gone.subnet);
      const auto subnets = nested_.remove(gone.subnet.identity());
      concerned.insert(subnets.begin(), subnets.end());
    }
  }
  // One batch. A peer with an empty state is removed.
  Planned peers;
  for (const IpPrefix& subnet : concerned) {
    const auto lease = leases_.find(subnet);
    auto state = lease == leases_.end() ? std::nullopt : plan(lease->second);
    peers.emplace_back(subnet, std::move(state).value_or(NetState{}));
  }
  log_unreachable();
  if (host_.route_each_peer != host_routes_each_peer_) return replan_all();
  reconciler_.set_peers(std::move(peers), parts_.loop.now());
  schedule_table();
  arm_timer();
  parts_.on_state();
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
  if (peer.subnet == own_->subnet) return std::nullopt;
  if (const auto trouble = peer_trouble(peer)) {
    mark_unreachable(peer.subnet, *trouble);
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
    mark_reachable(peer.subnet);
  } else {
    mark_unreachable(peer.subnet, reason_of(failures, peer.subnet.v4 && peer.subnet.v6));
  }
  if (all) ++peers_;
  return all;
}

// Plans the peer's subnet of this network's family.
Result<NetState> Overlay::plan_subnet(const Lease& peer, const IpPrefix& network) {
  const Family family = network.family();
  const IpPrefix& subnet = *peer.subnet.at(family);
  if (!network.contains(subnet)) {
    return fail(ErrorKind::invalid, fmt::format("{} is outside of the network {}",
                                                to_string(subnet), to_string(network)));
  }
  const IpAddress carrier = TRY(parts_.backend.carrier(peer, family, host_));
  NetState state = TRY(parts_.backend.peer_state(*own_, peer, host_, path_to(carrier, family)));
  const bool in_network =
      std::ranges::any_of(networks_, [&](const IpPrefix& any) { return any.contains(carrier); });
  if (in_network) route_each_peer();
  planned_.emplace(subnet, carrier);
  const bool unwrapped = std::ranges::any_of(
      state.routes, [this](const Route& route) { return route.link == host_.underlay.interface; });
  if (unwrapped) unwrapped_.emplace(subnet, carrier);
  return state;
}

PeerPath Overlay::path_to(const IpAddress& carrier, Family family) const {
  PeerPath path{.family = family, .carrier = carrier};
  if (!parts_.backend.wants_on_link()) return path;
  const auto found = parts_.lookup_route(carrier);
  path.on_link =
      found && !found->gateway && found->interface_index == host_.underlay.interface_index;
  path.off_link = found && !path.on_link;
  return path;
}

void Overlay::forget_planned(const SubnetKey& key) {
  std::size_t forgotten = 0;
  for (const IpPrefix& subnet : values_of(key)) {
    forgotten += planned_.erase(subnet);
    unwrapped_.erase(subnet);
  }
  if (forgotten > 0) --peers_;
}

OverlayIngress Overlay::ingress() const {
  OverlayIngress ingress{.underlay = host_.underlay.interface};
  for (const BackendDevice& device : parts_.backend.devices())
    ingress.devices.push_back({device.name, device.family});
  if (parts_.path != nullptr) {
    for (const IpPrefix& network : networks_)
      ingress.devices.push_back({host_.tun_device, network.family()});
  }
  for (const auto& [subnet, carrier] : unwrapped_)
    ingress.neighbours.push_back(carrier);
  std::ranges::sort(ingress.neighbours);
  const auto twice = std::ranges::unique(ingress.neighbours);
  ingress.neighbours.erase(twice.begin(), twice.end());
  return ingress;
}

std::vector<HostQuery> Overlay::host_queries() const {
  std::vector<HostQuery> queries;
  for (const IpPrefix& network : networks_) {
    if (own_->subnet.at(network.family())) queries.push_back(host_query(network));
  }
  return queries;
}

HostQuery Overlay::host_query(const IpPrefix& network) const {
  const Family family = network.family();
  HostQuery query{.network = network, .own_subnet = *own_->subnet.at(family), .devices = {}};
  for (const BackendDevice& device : parts_.backend.devices()) {
    if (device.family == family) query.devices.push_back(device.name);
  }
  if (parts_.path != nullptr) query.devices.push_back(host_.tun_device);
  const bool any_unwrapped = std::ranges::any_of(
      unwrapped_, [family](const auto& peer) { return peer.first.family() == family; });
  if (query.devices.empty() || any_unwrapped) query.devices.push_back(host_.underlay.interface);
  return query;
}

OverlayView Overlay::view(Family family) const {
  const auto network = std::ranges::find(networks_, family, &IpPrefix::family);
  const HostQuery query = host_query(*network);
  OverlayView view{.network = query.network,
                   .own_subnet = query.own_subnet,
                   .device = query.devices.front(),
                   .route_to_network = parts_.path != nullptr && !host_.route_each_peer};
  view.peers.reserve(planned_.size());
  for (const auto& [subnet, carrier] : planned_) {
    if (subnet.family() == family) view.peers.push_back(subnet);
  }
  return view;
}

void Overlay::mark_unreachable(const SubnetKey& subnet, const std::string& why) {
  const std::string name = to_string(subnet);
  if (!unreachable_.contains(name) && unreachable_.size() >= kMostNamed) {
    newly_unreachable_ += more_unreachable_.insert(subnet).second ? 1 : 0;
    return;
  }
  more_unreachable_.erase(subnet);
  std::string& reason = unreachable_[name];
  if (reason == why) return;
  reason = why;
  if (++newly_unreachable_ > kNamed) return;
  log::warning("peer unreachable", {{"subnet", name}, {"why", why}});
}

void Overlay::mark_reachable(const SubnetKey& subnet) {
  if (unreachable_.empty() && more_unreachable_.empty()) return;
  unreachable_.erase(to_string(subnet));
  more_unreachable_.erase(subnet);
}

// An interface that goes down may make thousands of peers unreachable at once.
void Overlay::log_unreachable() {
  const std::size_t fresh = std::exchange(newly_unreachable_, 0);
  if (fresh > kNamed) {
    log::warning(
        "peers unreachable",
        {{"count", fresh}, {"with_those_before", unreachable_.size() + more_unreachable_.size()}});
  }
  const bool any = !unreachable_.empty() || !more_unreachable_.empty();
  if (std::exchange(unreachable_logged_, any) && !any) log::info("every peer is reachable again");
}

// Publishes one table for all changes of a turn.
void Overlay::schedule_table() {
  if (parts_.path != nullptr && !table_due_.armed()) table_due_.arm(parts_.loop.now());
}

void Overlay::publish_table() {
  const PacketPathSettings settings = *parts_.backend.packet_path(host_);
  std::vector<OverlayPeer> peers;
  peers.reserve(planned_.size());
  for (const auto& [subnet, carrier] : planned_)
    peers.push_back({subnet, {carrier, settings.peer_port}});
  OverlayHost host{.mtu = settings.mtu, .accept_any = settings.accept_any};
  for (const IpPrefix& network : networks_) {
    const auto& subnet = own_->subnet.at(network.family());
    if (!subnet) continue;
    host.at(network.family()) =
        OwnSubnet{.subnet = *subnet, .tunnel_address = subnet->base, .network = network};
  }
  parts_.path->publish(std::make_shared<ForwardTable>(host, peers));
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
