// SPDX-License-Identifier: Apache-2.0
// The options of each network, and those that change while the daemon runs.
#include <filesystem>

#include "core/network_name.h"
#include "daemon/options.h"

namespace flannel {

std::vector<std::string> network_names(const Options& options) {
  if (options.follows_store) return {};
  return options.networks.empty() ? std::vector<std::string>{""} : options.networks;
}

Options options_of(const Options& options, const std::string& network) {
  Options own = options;
  if (network.empty()) return own;
  own.networks = {};
  own.store.prefix = prefix_of_network(options.store.prefix, network);
  const std::filesystem::path file(options.subnet_file);
  own.subnet_file = (file.parent_path() / "networks" / (network + ".env")).string();
  if (!own.docker.network.empty()) own.docker.network += "-" + network;
  return own;
}

void Options::take_live(const Options& wanted) {
  underlay = wanted.underlay;
  keeper.renew_margin = wanted.keeper.renew_margin;
  keeper.renumber = wanted.keeper.renumber;
  firewall.rules = wanted.firewall.rules;
  ip_blackhole_route = wanted.ip_blackhole_route;
  verbosity = wanted.verbosity;
}

}  // namespace flannel
