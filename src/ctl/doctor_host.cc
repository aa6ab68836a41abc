// SPDX-License-Identifier: Apache-2.0
// The checks of doctor that look at this host: the bridge of the containers, and packet filters.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "ctl/doctor.h"
#include "ctl/host_bridge.h"
#include "ctl/packet_rules.h"
#include "ctl/tunnel_packet.h"
#include "kernel/host/bridge_ports.h"
#include "kernel/host/packet_way.h"

namespace flannel::doctor {
namespace {

constexpr std::string_view kDockersBridge = "docker0";

const Interface* find_interface(const HostView& host, std::string_view name) {
  const auto found = std::ranges::find(host.interfaces, name, &Interface::name);
  return found == host.interfaces.end() ? nullptr : &*found;
}

// The first container of a subnet: its address after that of the bridge.
IpAddress container_in(const IpPrefix& subnet) {
  return subnet.base.plus(2);
}

// A way between this host's containers and those of a peer.
struct Way {
  IpAddress ours, theirs;
  std::string bridge, device;
  std::vector<std::string> ports;       // the bridge has these
  std::optional<TunnelPackets> tunnel;  // nullopt: packets are sent as they are
};

// One way for each subnet of ours and each device by which peers of its family are reached: peers
// behind one device have the same rules, unless a rule names them.
std::vector<Way> ways(const DaemonView& daemon, const HostView& host) {
  std::vector<Way> all;
  for (const IpPrefix& own : daemon.own) {
    const std::string bridge = bridge_of(own, host);
    if (bridge.empty()) continue;
    std::set<std::string> devices;
    const auto ports = bridge_ports(bridge, container_in(own));
    for (const PeerView& peer : daemon.peers) {
      for (const IpPrefix& subnet : peer.subnets) {
        if (subnet.family() != own.family()) continue;
        const auto device = packet_device(container_in(own), container_in(subnet), bridge);
        if (!device || device->empty() || !devices.insert(*device).second) continue;
        const auto way = packet_way(container_in(own), container_in(subnet), bridge);
        if (!way) continue;
        all.push_back({container_in(own), container_in(subnet), bridge, way->device,
                       ports ? *ports : std::vector<std::string>(),
                       tunnel_packets(daemon, peer, *way)});
      }
    }
  }
  return all;
}

trace::Packet packet(const Way& way, bool leaves, std::string protocol) {
  trace::Packet packet{.source = way.ours,
                       .destination = way.theirs,
                       .in = way.bridge,
                       .out = way.device,
                       .protocol = std::move(protocol),
                       .in_ports = way.ports};
  if (leaves) return packet;
  std::swap(packet.source, packet.destination);
  std::swap(packet.in, packet.out);
  std::swap(packet.in_ports, packet.out_ports);
  return packet;
}

// A rule that drops packets, and which.
using Found = std::map<std::string, std::string>;

void ask(const PacketRules& rules, const trace::Packet& packet, const std::string& what,
         Found& found) {
  for (const trace::Drop& drop : rules.drops_of(packet)) {
    if (drop.is_certain) found.emplace(drop.where + ": " + drop.rule, what);
  }
}

// The packets of containers on one way, and the datagrams that carry them.
void ask_of_way(const PacketRules& rules, const Way& way, Found& found) {
  const std::string icmp = way.ours.is_v6() ? "ipv6-icmp" : "icmp";
  for (const bool leaves : {true, false}) {
    for (const std::string& protocol : {icmp, std::string("tcp"), std::string("udp")}) {
      const trace::Packet one = packet(way, leaves, protocol);
      ask(rules, one, fmt::format("{} from {} to {}", protocol, one.in, one.out), found);
    }
  }
  if (!way.tunnel) return;
  const auto& [sent, received] = *way.tunnel;
  ask(rules, sent,
      fmt::format("the overlay's own {} to {}", in_words(sent), to_string(sent.destination)),
      found);
  ask(rules, received,
      fmt::format("the overlay's own {} from {}", in_words(received), to_string(received.source)),
      found);
}

}  // namespace

void check_rules(const DaemonView& daemon, const HostView& host, Checks& checks) {
  const std::vector<Way> all = ways(daemon, host);
  if (all.empty()) {
    checks.push_back(
        {.verdict = Verdict::unknown,
         .area = "rules",
         .text = "no container of this host can reach a peer yet, so no rule was asked"});
    return;
  }
  std::vector<std::string> unseen;
  const PacketRules rules = PacketRules::read(unseen);
  for (const std::string& why : unseen)
    checks.push_back({.verdict = Verdict::unknown, .area = "rules", .text = why});
  Found found;
  for (const Way& way : all)
    ask_of_way(rules, way, found);
  for (const auto& [rule, what] : found) {
    checks.push_back({.verdict = Verdict::wrong,
                      .area = "rules",
                      .text = fmt::format("{} drops {}", rule, what),
                      .code = "rule-drops",
                      .remedy = "remove that rule, or put one ahead of it that accepts " +
                                to_string(daemon.own.front())});
  }
  if (found.empty()) {
    checks.push_back({.area = "rules",
                      .text = fmt::format("no rule is known to drop packets between {} and {}",
                                          all.front().bridge, all.front().device)});
  }
}

void check_bridge(const DaemonView& daemon, const HostView& host, Checks& checks) {
  if (daemon.own.empty()) return;
  const IpPrefix& own = daemon.own.front();
  const std::string name = bridge_of(own, host);
  const Interface* docker = find_interface(host, kDockersBridge);
  if (!name.empty()) {
    checks.push_back({.area = "bridge", .text = fmt::format("{} has {}", name, to_string(own))});
  } else if (docker != nullptr && !docker->addresses.empty()) {
    const InterfaceAddress& address = docker->addresses.front();
    checks.push_back(
        {.verdict = Verdict::wrong,
         .area = "bridge",
         .text = fmt::format("docker0 has {}/{}, outside of this host's subnet {}",
                             to_string(address.ip), address.bits, to_string(own)),
         .code = "bridge-elsewhere",
         .remedy =
             "start flanneld with --docker-network; or run mk-docker-opts.sh, let Docker's unit "
             "read its file, and restart Docker"});
  } else {
    checks.push_back({.verdict = Verdict::unknown,
                      .area = "bridge",
                      .text = fmt::format("no device has an address in {} yet: Docker has not been "
                                          "started with it",
                                          to_string(own))});
  }
}

}  // namespace flannel::doctor
