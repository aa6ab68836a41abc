// SPDX-License-Identifier: Apache-2.0
#include "plan/host_problems.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/problem_kinds.h"
#include "plan/net_state.h"

namespace flannel {
namespace {

constexpr std::size_t kMostRoutes = 10;  // routes of one kind

using Problems = std::vector<Problem>;

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

std::string_view ip_command(Family family) {
  return family == Family::v4 ? "ip" : "ip -6";
}

std::string in_words(const OtherRoute& route) {
  const std::string place = route.device.empty() ? "" : " dev " + route.device;
  return to_string(route.to) + place;
}

// Linux drops the default routes that it has from router advertisements when IPv6 forwarding is
// switched on.
void add_forwarding(const HostState& host, const OverlayView& overlay, Problems& problems) {
  if (host.not_forwarding.empty()) return;
  if (!host.ip_forward && overlay.network.family() == Family::v4) {
    problems.push_back(make_problem(kIpForwardOff, "net.ipv4.ip_forward",
                                    "net.ipv4.ip_forward is 0, so this host passes nothing between "
                                    "its containers and other hosts"));
  } else if (!host.ip_forward) {
    problems.push_back(make_problem(kIpv6ForwardingOff, "net.ipv6.conf.all.forwarding",
                                    "net.ipv6.conf.all.forwarding is 0, so this host passes no "
                                    "IPv6 between its containers and other hosts"));
  } else {
    for (const std::string& device : host.not_forwarding) {
      problems.push_back(make_problem(
          kDeviceForwardingOff, device,
          fmt::format("what comes in by {} is not passed on, its forwarding is 0", device)));
    }
  }
}

// The kernel uses the route to our own subnet with the lowest metric, and the first of equal ones.
void add_route_to_own_subnet(const HostState& host, const OverlayView& overlay,
                             Problems& problems) {
  const OtherRoute* used = nullptr;
  const OtherRoute* bridge = nullptr;
  for (const OtherRoute& route : host.routes) {
    if (route.to != overlay.own_subnet) continue;
    if (used == nullptr || route.metric < used->metric) used = &route;
    if (contains(host.bridges, route.device)) bridge = &route;
  }
  if (used == nullptr || contains(host.bridges, used->device)) return;
  const std::string why = bridge == nullptr
                              ? "leads to our own subnet, but no device with an address in it"
                              : "goes before that of " + bridge->device +
                                    ", so nothing reaches the containers of this host";
  const std::string route = in_words(*used);
  problems.push_back(make_problem(bridge == nullptr ? kOwnSubnetRouted : kOwnSubnetTaken, route,
                                  fmt::format("the route {} {}", route, why),
                                  {{"ip", ip_command(overlay.network.family())}}));
}

// A route to a part of our own subnet goes before that of the bridge. Routes to single addresses
// are left out: programs make them for their containers.
void add_routes_into_own_subnet(const HostState& host, const OverlayView& overlay,
                                Problems& problems) {
  const IpPrefix& own = overlay.own_subnet;
  if (host.bridges.empty()) return;
  for (const OtherRoute& route : host.routes) {
    const bool is_part = route.to != own && own.contains(route.to) && route.to.host_bits() > 0;
    if (!is_part || contains(host.bridges, route.device)) continue;
    const std::string text = in_words(route);
    problems.push_back(make_problem(
        kOwnSubnetTaken, text,
        fmt::format(
            "the route {} takes a part of our own subnet, so nothing reaches the containers "
            "there",
            text),
        {{"ip", ip_command(own.family())}}));
    return;
  }
}

// The first peer whose packets the route takes; nullptr: none.
const IpPrefix* first_taken(const OtherRoute& route, const OverlayView& overlay) {
  const auto& peers = overlay.peers;
  const auto after = std::ranges::upper_bound(peers, route.to.base, {}, &IpPrefix::base);
  if (after != peers.begin()) {
    const IpPrefix& peer = *std::prev(after);
    // A route to the same prefix with the metric of ours is one that we have replaced.
    const bool goes_first = route.to.bits > peer.bits || overlay.route_to_network ||
                            route.metric < route_metric(peer.family());
    if (peer.contains(route.to)) return goes_first ? &peer : nullptr;
  }
  const auto inside = std::ranges::lower_bound(peers, route.to.base, {}, &IpPrefix::base);
  const bool takes_whole = overlay.route_to_network && route.to != overlay.network &&
                           inside != peers.end() && route.to.contains(*inside);
  return takes_whole ? &*inside : nullptr;
}

void add_routes_to_peers(const HostState& host, const OverlayView& overlay, Problems& problems) {
  std::size_t count = 0;
  for (const OtherRoute& route : host.routes) {
    const IpPrefix* peer = first_taken(route, overlay);
    if (peer == nullptr || ++count > kMostRoutes) continue;
    const std::string words = in_words(route);
    problems.push_back(
        make_problem(kPeerRouteTaken, words,
                     fmt::format("the route {} goes before ours by {} to the peer {}", words,
                                 overlay.device, to_string(*peer)),
                     {{"ip", ip_command(overlay.network.family())}}));
  }
  if (count > kMostRoutes) {
    problems.push_back(other_problems(kPeerRouteTaken, count - kMostRoutes));
  }
}

void add_chains(const HostState& host, const OverlayView& overlay, Problems& problems) {
  for (const ForwardChain& chain : host.refusing_forward) {
    const std::string network = to_string(overlay.network);
    problems.push_back(make_problem(
        kForwardRefused, chain.table + " " + chain.chain,
        fmt::format("the chain {} of the nftables table {} refuses every forwarded packet that it "
                    "has not accepted, and no accept of flannel's counts there",
                    chain.chain, chain.table),
        {{"network", network}}));
  }
}

// Containers keep the MTU with which they were started.
void add_large_ports(const HostState& host, const OverlayView& overlay, Problems& problems) {
  std::map<std::string, std::vector<const BridgePort*>> large;
  for (const BridgePort& port : host.ports) {
    if (port.mtu > overlay.mtu) large[port.bridge].push_back(&port);
  }
  for (const auto& [bridge, ports] : large) {
    const BridgePort& most = **std::ranges::max_element(ports, {}, &BridgePort::mtu);
    problems.push_back(make_problem(
        kContainersMtu, bridge,
        fmt::format("containers at {} port{} of {} have a larger MTU ({} by {}) than the overlay, "
                    "which has {}; packets that are too big are answered with ICMP",
                    ports.size(), ports.size() == 1 ? "" : "s", bridge, most.mtu, most.device,
                    overlay.mtu),
        {{"mtu", std::to_string(overlay.mtu)}}));
  }
}

void add_refused_sources(const HostState& host, const OverlayView& overlay, Problems& problems) {
  if (!host.one_way_is_strict || overlay.one_way_peers.empty()) return;
  if (host.refused_sources == host.refused_before) return;
  const std::size_t peers = overlay.one_way_peers.size();
  problems.push_back(make_problem(
      kRpFilterStrict, overlay.one_way,
      fmt::format("rp_filter of {0} is 1 (strict) and has dropped packets since the last check: "
                  "those of {1} peer{2}, as {3}, come in by {0}, and ours leave by another device "
                  "as long as not all hosts have the backend of the configuration",
                  overlay.one_way, peers, peers == 1 ? "" : "s",
                  to_string(overlay.one_way_peers.front()))));
}

}  // namespace

Problems host_problems(const HostState& host, const OverlayView& overlay) {
  Problems problems;
  add_route_to_own_subnet(host, overlay, problems);
  add_routes_into_own_subnet(host, overlay, problems);
  add_forwarding(host, overlay, problems);
  add_routes_to_peers(host, overlay, problems);
  add_chains(host, overlay, problems);
  add_large_ports(host, overlay, problems);
  add_refused_sources(host, overlay, problems);
  return problems;
}

}  // namespace flannel
