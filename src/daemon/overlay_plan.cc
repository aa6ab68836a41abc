// SPDX-License-Identifier: Apache-2.0
// The part of Overlay that plans the objects of each peer.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "backend/wireguard.h"
#include "core/announced_backend.h"
#include "daemon/overlay.h"

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

std::string has_key_of(const Lease& newer) {
  return fmt::format(
      "it announces the public key of the newer lease {} of {}, to which packets with that key go: "
      "it is an earlier lease of the same host, or one of two hosts has a copy of the other's key "
      "file, and `flannelctl wireguard rotate` there makes another key",
      to_string(newer.subnet), to_string(newer.attributes.public_ips()));
}

}  // namespace

// Why no subnet of the peer can be reached; nullopt: each family is to be tried.
std::optional<std::string> Overlay::why_unreachable(const Lease& peer) const {
  if (peer.attributes.public_ips().shared_with(own_->attributes.public_ips())) return kOurOwn;
  if (auto nested = nested_.find_trouble(peer.subnet.identity())) return nested;
  if (const Lease* newer = key_owners_.newer_than(peer.subnet.identity())) {
    return has_key_of(*newer);
  }
  const bool any = std::ranges::any_of(
      kFamilies, [&](Family family) { return peer.subnet.at(family) && own_->subnet.at(family); });
  if (any) return std::nullopt;
  return "this host has no subnet of its family: ours is " + to_string(own_->subnet);
}

// Returns nullopt for our own lease and for a peer of which no subnet can be reached.
std::optional<NetState> Overlay::plan(const Lease& peer) {
  forget_planned(peer.subnet);
  note_ways(peer.subnet);
  if (peer.subnet == own_->subnet) {
    unreachable_.erase(peer.subnet);  // its record was seen before it was the lease
    return std::nullopt;
  }
  if (const auto why = why_unreachable(peer)) {
    unreachable_.put(peer.subnet, *why);
    return std::nullopt;
  }
  std::optional<NetState> all;
  Failures failures;
  for (const IpPrefix& network : networks_) {
    const Family family = network.family();
    if (!peer.subnet.at(family) || !own_->subnet.at(family)) continue;
    auto state = plan_subnet(peer, network);
    if (state) {
      admit(*peer.subnet.at(family), *state);
      let_pass(*peer.subnet.at(family), *state);
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

bool Overlay::announces_wireguard() const {
  return own_->attributes.backend_type == WireguardBackend::kType;
}

// To be called before `next` takes the place of the lease that is known.
void Overlay::note_former(const Lease& next) {
  const IpPrefix& name = next.subnet.identity();
  const auto* before = nested_.find_lease(name);
  const auto is_wireguard = [](const Lease& lease) {
    return lease.attributes.backend_type == WireguardBackend::kType;
  };
  if (announces_wireguard() || !is_wireguard(next) || before == nullptr) {
    former_.erase(name);
  } else if (!is_wireguard(*before)) {
    former_.insert_or_assign(name, *before);
  } else if ((*before)->attributes.public_ips() != next.attributes.public_ips()) {
    former_.erase(name);  // it is where it was no longer
  }
}

// A peer that announces WireGuard takes no packets of ours before it knows our key. Until we
// announce that, packets go to what it announced before, which it keeps for those who announce it.
std::optional<NetState> Overlay::plan_former(const Lease& peer, Family family,
                                             const std::shared_ptr<Dataplane>& next,
                                             const NetState& by_next) {
  const auto former = former_.find(peer.subnet.identity());
  if (former == former_.end() || by_next.wireguard.empty() || announces_wireguard()) {
    return std::nullopt;
  }
  const Lease& before = *former->second;
  if (before.subnet.at(family) != peer.subnet.at(family)) return std::nullopt;
  for (const auto& plane : parts_.planes.all()) {
    if (!reaches(plane->announced, backend_of(before.attributes))) continue;
    auto planned = plan_by(*plane, before, family);
    if (!planned) return std::nullopt;
    const IpPrefix& subnet = *peer.subnet.at(family);
    add_planned(subnet, plane, planned->first, planned->second);
    planned_.at(subnet).next = next;
    parts_.planes.add_peer(*next);
    planned->second.wireguard = by_next.wireguard;
    return std::move(planned->second);
  }
  return std::nullopt;
}

// A peer sends by what we announced until it has seen our present lease, and WireGuard lets in
// only what it knows the sender of.
void Overlay::admit(const IpPrefix& subnet, NetState& state) {
  if (!state.wireguard.empty()) {
    admitted_.insert_or_assign(subnet, Admitted{state.wireguard});
    return;
  }
  const auto found = admitted_.find(subnet);
  if (found == admitted_.end()) return;
  Admitted& before = found->second;
  const TimePoint now = parts_.loop.now();
  if (before.until == kNever) before.until = now + Dataplanes::kLinger;
  const auto devices = parts_.planes.device_names();
  std::erase_if(before.peers, [&devices](const Shared<WireguardPeer>& one) {
    return std::ranges::find(devices, one->link) == devices.end();
  });
  if (before.peers.empty() || before.until <= now) {
    admitted_.erase(found);
    return;
  }
  state.wireguard = before.peers;
  if (!admitted_over_.armed()) admitted_over_.arm(before.until);
}

// The policies of another dataplane hold back what goes to the network by no tunnel of theirs.
void Overlay::let_pass(const IpPrefix& subnet, NetState& state) const {
  const auto& by = planned_.at(subnet).plane;
  for (const auto& plane : parts_.planes.all()) {
    if (plane == by) continue;
    state = joined(std::move(state), plane->backend->pass_state(*own_, subnet, plane->host));
  }
}

// To be called before `next` takes the place of `before`, which may be another host's.
void Overlay::forget_admitted(const Lease& before, const Lease& next) {
  const bool is_same = before.attributes.public_ips() == next.attributes.public_ips();
  for (const IpPrefix& subnet : values_of(before.subnet)) {
    if (!is_same || next.subnet.at(subnet.family()) != subnet) admitted_.erase(subnet);
  }
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
  if (auto former = plan_former(peer, family, plane, state)) return *std::move(former);
  add_planned(subnet, std::move(plane), carrier, state);
  return std::move(state);
}

void Overlay::add_planned(const IpPrefix& subnet, std::shared_ptr<Dataplane> plane,
                          const IpAddress& carrier, const NetState& state) {
  const std::string& underlay = plane->host.underlay.interface;
  const bool unwrapped =
      state.policies.empty() && std::ranges::any_of(state.routes, [&underlay](const Route& route) {
        return route.link == underlay;
      });
  Way way{std::move(plane), carrier, unwrapped};
  if (!state.routes.empty()) way.device = state.routes.front().link;
  if (!state.wireguard.empty()) way.device = state.wireguard.front()->link;
  if (!state.neighbours.empty()) way.mac = state.neighbours.front().mac;
  add_way(subnet, std::move(way));
}

void Overlay::add_way(const IpPrefix& subnet, Way way) {
  parts_.planes.add_peer(*way.plane);
  if (way.unwrapped && ++neighbours_[way.carrier] == 1) ingress_changed_ = true;
  planned_.emplace(subnet, std::move(way));
}

// The same, without subnets that cannot be used: one device may carry both families of a peer, and
// lets in all of its subnets.
Lease Overlay::with_usable_subnets(Lease peer) const {
  for (const IpPrefix& subnet : values_of(peer.subnet)) {
    if (!is_usable(subnet)) peer.subnet.at(subnet.family()).reset();
  }
  return peer;
}

// Returns the public IP to which packets are sent, and the objects by which they are.
Result<std::pair<IpAddress, NetState>> Overlay::plan_by(const Dataplane& plane, const Lease& peer,
                                                        Family family) const {
  const auto subnets = values_of(peer.subnet);
  const auto usable = [this](const IpPrefix& subnet) { return is_usable(subnet); };
  if (!std::ranges::all_of(subnets, usable) && peer.subnet.at(family) &&
      is_usable(*peer.subnet.at(family))) {
    return plan_by(plane, with_usable_subnets(peer), family);
  }
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
    if (way->second.next) parts_.planes.remove_peer(*way->second.next);
    const auto neighbour = neighbours_.find(way->second.carrier);
    if (way->second.unwrapped && --neighbour->second == 0) {
      neighbours_.erase(neighbour);
      ingress_changed_ = true;
    }
    planned_.erase(way);
    ++forgotten;
  }
  if (forgotten == 0) return;
  --peers_;
  note_ways(key);
}

}  // namespace flannel
