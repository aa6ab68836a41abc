// SPDX-License-Identifier: Apache-2.0
// Implements node list.
#include <fmt/format.h>

#include <ostream>

#include "core/announced_backend.h"
#include "core/json_text.h"
#include "core/network_config.h"
#include "ctl/cluster_nodes.h"
#include "ctl/command.h"
#include "ctl/lease_life.h"
#include "ctl/store_session.h"
#include "ctl/text_table.h"

namespace flannel {
namespace {

using Json = nlohmann::ordered_json;

struct Listed {
  std::vector<ClusterNode> nodes;
  RemainingLives lives;
  AnnouncedBackend configured;  // what a lease that does not say all has
};

Result<Listed> list(const Snapshot& snapshot, StoreSession& store) {
  Listed listed{.nodes = nodes_of(snapshot),
                .lives = TRY(store.remaining_lives(snapshot.records)),
                .configured = {}};
  if (snapshot.config) {
    const auto parsed = parse_network_config(snapshot.config->text);
    if (parsed) listed.configured = configured_backend(parsed->config);
  }
  return listed;
}

std::string_view kind(const ClusterNode& node) {
  if (node.id()) return "flannel-cpp";
  return node.present().record.expires() ? "another flannel" : "another flannel or a reservation";
}

// nullopt: the lease announces no type.
std::optional<AnnouncedBackend> backend(const ClusterNode& node, const Listed& listed) {
  if (backend_of(node.attributes()).type.empty()) return std::nullopt;
  return announced_backend(node.attributes(), listed.configured);
}

std::string as_text(const Listed& listed) {
  const std::size_t digits = short_id_length(listed.nodes);
  std::vector<std::vector<std::string>> rows = {
      {"NODE", "PUBLIC-IP", "SUBNET", "BACKEND", "EXPIRY", "KIND"}};
  for (const ClusterNode& node : listed.nodes) {
    const auto id = node.id();
    const auto announced = backend(node, listed);
    rows.push_back({id ? to_string(*id).substr(0, digits) : "-",
                    to_string(node.attributes().public_ips()), to_string(node.subnets()),
                    announced ? to_string(*announced) : "-",
                    expiry_text(node.present().record, listed.lives), std::string(kind(node))});
  }
  return text_table(rows);
}

Json as_json(const AnnouncedBackend& backend) {
  Json json = {{"type", backend.type}};
  if (backend.vni != 0) json["vni"] = backend.vni;
  if (backend.port != 0) json["port"] = backend.port;
  return json;
}

std::string as_json(const Listed& listed) {
  Json list = Json::array();
  for (const ClusterNode& node : listed.nodes) {
    const auto id = node.id();
    const auto announced = backend(node, listed);
    const Record& record = node.present().record;
    const auto life = life_of(record, listed.lives);
    Json subnets = Json::array();
    for (const IpPrefix& subnet : node.subnets())
      subnets.push_back(to_string(subnet));
    list.push_back({{"node_id", id ? Json(to_string(*id)) : Json(nullptr)},
                    {"public_ip", text_or_null(node.attributes().public_ips().v4)},
                    {"public_ipv6", text_or_null(node.attributes().public_ips().v6)},
                    {"subnets", std::move(subnets)},
                    {"backend", announced ? as_json(*announced) : Json(nullptr)},
                    {"expires_in_s", life ? Json(life->left.count()) : Json(nullptr)},
                    {"reservation", !record.expires()},
                    {"kind", kind(node)}});
  }
  return json_text(list);
}

}  // namespace

Result<void> run_node_list(const CtlOptions& options, const Terminal& terminal) {
  StoreSession store = TRY(StoreSession::open(options));
  const Snapshot snapshot = TRY(store.snapshot());
  const Listed listed = TRY(list(snapshot, store));
  terminal.out << (options.json ? as_json(listed) : as_text(listed));
  std::size_t readable = 0;
  for (const ClusterNode& node : listed.nodes)
    readable += node.records.size();
  if (readable < snapshot.records.size()) {
    terminal.err << fmt::format(
        "flannelctl: {} more cannot be read; `flannelctl leases --bad` says which and why\n",
        snapshot.records.size() - readable);
  }
  return {};
}

}  // namespace flannel
