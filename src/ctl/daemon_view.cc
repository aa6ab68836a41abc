// SPDX-License-Identifier: Apache-2.0
#include "ctl/daemon_view.h"

#include <algorithm>

#include "base/parse.h"
#include "base/printable.h"
#include "ctl/control_client.h"

namespace flannel {
namespace {

using Json = nlohmann::ordered_json;

std::string text_in(const Json& object, const char* name) {
  if (!object.is_object()) return {};
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

void add_prefix(std::string_view text, std::vector<IpPrefix>& prefixes) {
  if (const auto prefix = IpPrefix::parse(text)) prefixes.push_back(*prefix);
}

PeerView peer_of(const Json& row) {
  PeerView peer;
  const Json subnets = row.value("subnets", Json::array());
  for (const Json& subnet : subnets.is_array() ? subnets : Json::array()) {
    if (subnet.is_string()) add_prefix(subnet.get<std::string>(), peer.subnets);
  }
  for (const char* name : {"public_ip", "public_ipv6"}) {
    if (const auto ip = IpAddress::parse(text_in(row, name))) peer.public_ips.push_back(*ip);
  }
  peer.name = printable(text_in(row, "node_id").substr(0, kShortNode));
  if (peer.name.empty() && !peer.public_ips.empty()) peer.name = to_string(peer.public_ips.front());
  peer.backend = printable(text_in(row, "backend"));
  peer.state = printable(text_in(row, "state"));
  peer.why = printable(text_in(row, "why"));
  const auto rtt = row.find("rtt_us");
  if (rtt != row.end() && rtt->is_number()) peer.rtt_us = rtt->get<double>();
  return peer;
}

}  // namespace

const PeerView* DaemonView::peer_of(const IpAddress& address) const {
  const auto found = std::ranges::find_if(peers, [&](const PeerView& peer) {
    return std::ranges::any_of(peer.subnets,
                               [&](const IpPrefix& subnet) { return subnet.contains(address); });
  });
  return found == peers.end() ? nullptr : &*found;
}

bool DaemonView::is_outside(const IpAddress& address) const {
  return !networks.empty() && std::ranges::none_of(networks, [&](const IpPrefix& network) {
    return network.contains(address);
  });
}

const IpPrefix* DaemonView::own_subnet_of(const IpAddress& address) const {
  const auto found =
      std::ranges::find_if(own, [&](const IpPrefix& subnet) { return subnet.contains(address); });
  return found == own.end() ? nullptr : &*found;
}

Result<DaemonView> ask_daemon_view(const CtlOptions& options) {
  DaemonView view;
  TRY(check_network_is_named(options));
  view.status = TRY(ask_daemon(options, {"GET", "/v1/status"}));
  const Json answer = TRY(ask_daemon(options, {"GET", "/v1/peers"}));
  const Json rows = answer.value("peers", Json::array());
  for (const Json& row : rows.is_array() ? rows : Json::array()) {
    if (row.is_object()) view.peers.push_back(peer_of(row));
  }
  const std::string own = text_in(view.status.value("lease", Json()), "subnet");
  for (const std::string_view subnet : split(own, ','))
    add_prefix(subnet, view.own);
  const Json networks = view.status.value("networks", Json::array());
  for (const Json& network : networks.is_array() ? networks : Json::array()) {
    if (network.is_string()) add_prefix(network.get<std::string>(), view.networks);
  }
  const auto mtu = view.status.find("mtu");
  if (mtu != view.status.end() && mtu->is_number_unsigned()) view.mtu = mtu->get<std::uint32_t>();
  view.underlay = text_in(view.status.value("underlay", Json()), "interface");
  return view;
}

}  // namespace flannel
