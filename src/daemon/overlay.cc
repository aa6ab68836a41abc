// SPDX-License-Identifier: Apache-2.0
#include "daemon/overlay.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"

namespace flannel {
namespace {

constexpr std::size_t kNamed =
    8;  // peers that become unreachable at once and have a line of their own

std::set<IpPrefix> as_set(const std::vector<IpPrefix>& subnets) {
  return {subnets.begin(), subnets.end()};
}

}  // namespace

Overlay::Overlay(Parts parts, HostFacts host, IpPrefix network)
    : parts_(std::move(parts)),
      host_(std::move(host)),
      network_(network),
      reconciler_(parts_.kernel) {}

Scope Overlay::scope() const {
  Scope scope = parts_.backend.scope(network_);
  if (parts_.path != nullptr) scope.link_names.push_back(host_.tun_device);
  if (own_) scope.own_subnets = {own_->subnet.v4};
  return scope;
}

void Overlay::set_host() {
  NetState state = parts_.backend.host_state(*own_, host_);
  if (parts_.blackhole_own_subnet) {
    state.routes.push_back({.to = own_->subnet.v4, .link = {}, .blackhole = true});
  }
  reconciler_.set_host(scope(), std::move(state));
  host_routes_each_peer_ = host_.route_each_peer;
}

Result<void> Overlay::start(const Lease& own, const std::map<SubnetKey, DecodedRecord>& leases) {
  own_ = own;
  leases_.clear();
  nested_ = {};
  for (const auto& [key, decoded] : leases)
    add_lease(decoded.lease, decoded.record.created);
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

// True if a route to the whole network would capture packets to an address outside of the overlay.
bool Overlay::network_covers_address_in_use() const {
  return find_clash(network_, host_.surroundings).has_value();
}

// Is not undone later, because a route to the whole network has no other advantage.
void Overlay::route_each_peer() {
  if (parts_.path == nullptr || host_.route_each_peer) return;
  host_.route_each_peer = true;
  log::warning("the subnets of peers are routed one by one, the network is not",
               {{"network", to_string(network_)}});
}

// Adds a lease and returns the subnets that must be planned.
std::vector<IpPrefix> Overlay::add_lease(const Lease& lease, Revision created) {
  leases_[lease.subnet.v4] = lease;
  if (lease.subnet == own_->subnet) return {lease.subnet.v4};
  return nested_.put(lease.subnet.v4, lease.attributes.public_ip, created);
}

std::string Overlay::network_trouble() const {
  if (parts_.path == nullptr || host_.route_each_peer) return {};
  return find_held(network_, host_.surroundings).value_or("");
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
                   {{"subnet", to_string(up->lease.subnet)},
                    {"via", to_string(up->lease.attributes.public_ip)}});
      concerned.merge(as_set(add_lease(up->lease, up->created)));
    } else {
      const Lease& gone = std::get<PeerDown>(change).lease;
      log::verbose(2, "Subnet removed", {{"subnet", to_string(gone.subnet)}});
      leases_.erase(gone.subnet.v4);
      forget_planned(gone.subnet.v4);
      mark_reachable(gone.subnet);
      concerned.merge(as_set(nested_.remove(gone.subnet.v4)));
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

// Returns nullopt for our own lease and for an unreachable peer.
std::optional<NetState> Overlay::plan(const Lease& peer) {
  forget_planned(peer.subnet.v4);
  if (peer.subnet == own_->subnet) return std::nullopt;
  if (peer.attributes.public_ip == own_->attributes.public_ip) {
    mark_unreachable(peer.subnet, kOurOwn);
    return std::nullopt;
  }
  if (const auto trouble = nested_.find_trouble(peer.subnet.v4)) {
    mark_unreachable(peer.subnet, *trouble);
    return std::nullopt;
  }
  PeerFacts facts;
  if (parts_.backend.wants_on_link()) {
    const auto path = parts_.lookup_route(peer.attributes.public_ip);
    facts.on_link =
        path && !path->gateway && path->interface_index == host_.underlay.interface_index;
    facts.off_link = path && !facts.on_link;
  }
  auto state = parts_.backend.peer_state(*own_, peer, host_, facts);
  if (!state) {
    mark_unreachable(peer.subnet, state.error().text);
    return std::nullopt;
  }
  mark_reachable(peer.subnet);
  if (network_.contains(peer.attributes.public_ip)) route_each_peer();
  planned_.emplace(peer.subnet.v4, peer.attributes.public_ip);
  const bool unwrapped = std::ranges::any_of(
      state->routes, [this](const Route& route) { return route.link == host_.underlay.interface; });
  if (unwrapped) unwrapped_.emplace(peer.subnet.v4, peer.attributes.public_ip);
  return *std::move(state);
}

void Overlay::forget_planned(const IpPrefix& subnet) {
  planned_.erase(subnet);
  unwrapped_.erase(subnet);
}

OverlayIngress Overlay::ingress() const {
  OverlayIngress ingress{.underlay = host_.underlay.interface};
  for (const std::string& name : scope().link_names)
    ingress.devices.push_back({name, Family::v4});
  for (const auto& [subnet, public_ip] : unwrapped_)
    ingress.neighbours.push_back(public_ip);
  std::ranges::sort(ingress.neighbours);
  const auto twice = std::ranges::unique(ingress.neighbours);
  ingress.neighbours.erase(twice.begin(), twice.end());
  return ingress;
}

HostQuery Overlay::host_query() const {
  HostQuery query{
      .network = network_, .own_subnet = own_->subnet.v4, .devices = scope().link_names};
  if (query.devices.empty() || !unwrapped_.empty()) {
    query.devices.push_back(host_.underlay.interface);
  }
  return query;
}

OverlayView Overlay::view() const {
  OverlayView view{.network = network_,
                   .own_subnet = own_->subnet.v4,
                   .device = host_query().devices.front(),
                   .route_to_network = parts_.path != nullptr && !host_.route_each_peer};
  view.peers.reserve(planned_.size());
  for (const auto& [subnet, public_ip] : planned_)
    view.peers.push_back(subnet);
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
  for (const auto& [subnet, public_ip] : planned_) {
    peers.push_back({subnet, {public_ip, settings.peer_port}});
  }
  parts_.path->publish(std::make_shared<ForwardTable>(
      OverlayHost{.v4 = OwnSubnet{.subnet = own_->subnet.v4,
                                  .tunnel_address = own_->subnet.v4.base,
                                  .network = network_},
                  .mtu = settings.mtu,
                  .accept_any = settings.accept_any},
      peers));
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
