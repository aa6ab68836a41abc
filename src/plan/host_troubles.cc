// SPDX-License-Identifier: Apache-2.0
#include "plan/host_troubles.h"

#include <fmt/format.h>

#include <algorithm>

#include "plan/net_state.h"

namespace flannel {
namespace {

constexpr std::size_t kNamed = 3;  // routes with a sentence each

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

std::string_view ip_route(Family family) {
  return family == Family::v4 ? "ip route" : "ip -6 route";
}

std::string in_words(const OtherRoute& route) {
  const std::string place = route.device.empty() ? "" : " dev " + route.device;
  return to_string(route.to) + place;
}

constexpr const char* kNoForwarding =
    "net.ipv4.ip_forward is 0, so this host passes nothing between its containers and other hosts: "
    "sysctl -w net.ipv4.ip_forward=1 (Docker does that when it starts)";
// Linux drops the default routes that it has from router advertisements when IPv6 forwarding is
// switched on.
constexpr const char* kNoForwarding6 =
    "net.ipv6.conf.all.forwarding is 0, so this host passes no IPv6 between its containers and "
    "other hosts: sysctl -w net.ipv6.conf.all.forwarding=1 (if the default route comes from router "
    "advertisements, set accept_ra=2 for its device before)";

void add_forwarding(const HostState& host, const OverlayView& overlay,
                    std::vector<HostTrouble>& troubles) {
  if (host.not_forwarding.empty()) return;
  const Family family = overlay.network.family();
  if (!host.ip_forward) {
    troubles.push_back({family == Family::v4 ? kNoForwarding : kNoForwarding6});
    return;
  }
  for (const std::string& device : host.not_forwarding) {
    troubles.push_back(
        {fmt::format("what comes in by {0} is not passed on, its forwarding is 0: "
                     "sysctl -w net/ipv4/conf/{0}/forwarding=1",
                     device)});
  }
}

// The kernel uses the route to our own subnet with the lowest metric, and the first of equal ones.
void add_route_to_own_subnet(const HostState& host, const OverlayView& overlay,
                             std::vector<HostTrouble>& troubles) {
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
  troubles.push_back({fmt::format("the route {0} {1}: {2} del {0}", in_words(*used), why,
                                  ip_route(overlay.network.family())),
                      bridge != nullptr});
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

void add_routes_to_peers(const HostState& host, const OverlayView& overlay,
                         std::vector<HostTrouble>& troubles) {
  std::size_t count = 0;
  for (const OtherRoute& route : host.routes) {
    const IpPrefix* peer = first_taken(route, overlay);
    if (peer == nullptr || ++count > kNamed) continue;
    troubles.push_back({fmt::format(
        "the route {0} goes before ours by {1} to the peer {2}: {3} del {0}", in_words(route),
        overlay.device, to_string(*peer), ip_route(overlay.network.family()))});
  }
  if (count > kNamed) {
    troubles.push_back(
        {fmt::format("{} more routes go before ours to peers: {} show root {}", count - kNamed,
                     ip_route(overlay.network.family()), to_string(overlay.network))});
  }
}

void add_chains(const HostState& host, const OverlayView& overlay,
                std::vector<HostTrouble>& troubles) {
  for (const ForwardChain& chain : host.refusing_forward) {
    troubles.push_back({fmt::format(
        "the chain {1} of the nftables table {0} refuses every forwarded packet that it has not "
        "accepted, and no accept of flannel's counts there: see that it accepts {2} (nft list "
        "chain {0} {1})",
        chain.table, chain.chain, to_string(overlay.network))});
  }
}

}  // namespace

std::vector<HostTrouble> host_troubles(const HostState& host, const OverlayView& overlay) {
  std::vector<HostTrouble> troubles;
  add_route_to_own_subnet(host, overlay, troubles);
  add_forwarding(host, overlay, troubles);
  add_routes_to_peers(host, overlay, troubles);
  add_chains(host, overlay, troubles);
  return troubles;
}

}  // namespace flannel
