// SPDX-License-Identifier: Apache-2.0
// Implements network list, create and delete: the networks of one store (docs/networks.md).
#include <fmt/format.h>

#include <ostream>

#include "core/announced_backend.h"
#include "core/json_text.h"
#include "core/network_config.h"
#include "core/network_name.h"
#include "ctl/command.h"
#include "ctl/config_text.h"
#include "ctl/host_check.h"
#include "ctl/network_report.h"
#include "ctl/store_session.h"
#include "ctl/stored_networks.h"
#include "ctl/text_table.h"

namespace flannel {
namespace {

using Json = nlohmann::ordered_json;

Result<void> refuse_network_flag(const CtlOptions& options) {
  if (options.network.empty()) return {};
  return fail(ErrorKind::invalid,
              "--network means nothing to this command, which is about all; leave it out");
}

std::string ranges_of(const NetworkConfig& config) {
  std::string text;
  for (const IpPrefix& range : config.networks())
    text += (text.empty() ? "" : ",") + to_string(range);
  return text;
}

std::string peers_of(const NetworkConfig& config) {
  return config.peers.empty() ? "-" : fmt::format("peers {}", fmt::join(config.peers, ", "));
}

}  // namespace

Result<void> run_network_list(const CtlOptions& options, const Terminal& terminal) {
  TRY(refuse_network_flag(options));
  const auto networks = TRY(read_networks(options, terminal));
  Json list = Json::array();
  std::vector<std::vector<std::string>> rows = {{"NAME", "RANGE", "BACKEND", "LEASES", "NOTE"}};
  for (const StoredNetwork& network : networks) {
    const auto& config = network.config;
    const std::string range = config ? ranges_of(*config) : "-";
    const std::string backend = config ? to_string(configured_backend(*config)) : "-";
    const std::string note = config ? peers_of(*config) : "wrong: " + config.error().text;
    const std::size_t leases = network.snapshot.records.size();
    rows.push_back({network.name.empty() ? "(none)" : network.name, range, backend,
                    std::to_string(leases), note});
    list.push_back({{"name", network.name},
                    {"range", config ? Json(range) : Json(nullptr)},
                    {"backend", config ? Json(backend) : Json(nullptr)},
                    {"leases", leases},
                    {"peers", config ? Json(config->peers) : Json::array()},
                    {"error", config ? Json(nullptr) : Json(config.error().text)}});
  }
  terminal.out << (options.json ? json_text(Json{{"networks", list}}) : text_table(rows));
  return {};
}

Result<void> run_network_create(const CtlOptions& options, const Terminal& terminal) {
  TRY(refuse_network_flag(options));
  const std::string& name = options.words[0];
  TRY(check_network_name(name));
  const std::string text = TRY(read_config_text(options.words[1], terminal));
  const NetworkReport report =
      TRY_DURING(report_on(text, options.underlay_mtu), "not made, the configuration is wrong");
  print_warnings(report.warnings, terminal);
  StoreSession store = TRY(StoreSession::open_or_make(in_network(options, name)));
  // This also makes the file of a store that has none yet.
  if (TRY(store.snapshot()).config) {
    return fail(ErrorKind::exists,
                fmt::format("not made: there is a network {}; \"flannelctl --network={} config "
                            "set\" changes it",
                            name, name));
  }
  for (const StoredNetwork& other : TRY(read_networks(options, terminal)))
    TRY_DURING(check_beside(report.config, other), "not made");
  print_warnings(clashes_on_this_host(report.config, options, terminal), terminal);
  TRY(store.write_config(text, 0));
  terminal.out << to_text(report) << "hosts with --networks=" << name
               << " or * take part in it; flannelctl --network=" << name << " is about it\n";
  return {};
}

Result<void> run_network_delete(const CtlOptions& options, const Terminal& terminal) {
  TRY(refuse_network_flag(options));
  const std::string& name = options.words[0];
  TRY(check_network_name(name));
  StoreSession store = TRY(StoreSession::open(in_network(options, name)));
  const Snapshot snapshot = TRY(store.snapshot());
  if (!snapshot.config) {
    return fail(
        ErrorKind::not_found,
        fmt::format("there is no network {}: no key {}/config; flannelctl network list names "
                    "those that there are",
                    name, in_network(options, name).store.prefix));
  }
  const auto reserved = std::ranges::count_if(
      snapshot.records, [](const Record& record) { return !record.expires(); });
  if (!snapshot.records.empty() && !options.force) {
    return fail(ErrorKind::conflict,
                fmt::format("not deleted: it has {} records of hosts, of which {} are "
                            "reservations, and hosts go on without a configuration; drain them, "
                            "or take it from their --networks, or --force",
                            snapshot.records.size(), reserved));
  }
  TRY(store.remove_config(snapshot.config->revision));
  terminal.out << fmt::format(
      "deleted the configuration of {}; of its {} leases, those of hosts with --networks=* are "
      "given "
      "up where nothing uses them, and the others end by themselves; its {} reservations stay\n",
      name, snapshot.records.size() - static_cast<std::size_t>(reserved), reserved);
  return {};
}

}  // namespace flannel
