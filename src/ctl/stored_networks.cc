// SPDX-License-Identifier: Apache-2.0
#include "ctl/stored_networks.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "core/announced_backend.h"
#include "core/network_name.h"
#include "ctl/config_text.h"
#include "ctl/store_session.h"

namespace flannel {
namespace {

// nullopt: it has no configuration.
Result<std::optional<StoredNetwork>> read_network(const CtlOptions& options,
                                                  const std::string& name) {
  StoreSession store = TRY(StoreSession::open(in_network(options, name)));
  StoredNetwork network{.name = name, .snapshot = TRY(store.snapshot())};
  if (!network.snapshot.config) return std::nullopt;
  auto parsed = parse_network_config(network.snapshot.config->text);
  network.config = parsed ? Result<NetworkConfig>(std::move(parsed->config))
                          : Failure(std::move(parsed).error());
  return network;
}

}  // namespace

std::string label(const std::string& name) {
  return name.empty() ? "the network without a name" : "the network " + name;
}

Result<std::vector<StoredNetwork>> read_networks(const CtlOptions& options,
                                                 const Terminal& terminal) {
  StoreSession store = TRY(StoreSession::open(options));
  auto [names, unusable] = TRY(store.networks());
  for (const std::string& name : unusable)
    print_warnings({check_network_name(name).error().text + "; its configuration is not used"},
                   terminal);
  names.insert(names.begin(), "");
  std::vector<StoredNetwork> networks;
  for (const std::string& name : names) {
    auto network = TRY_DURING(read_network(options, name), "read " + label(name));
    if (network) networks.push_back(*std::move(network));
  }
  return networks;
}

Result<void> check_beside(const NetworkConfig& made, const StoredNetwork& other) {
  if (!other.config) return {};
  for (const IpPrefix& range : made.networks()) {
    for (const IpPrefix& theirs : other.config->networks()) {
      if (!range.overlaps(theirs)) continue;
      return fail(ErrorKind::conflict,
                  fmt::format("{} overlaps {}, the range of {}; give Network another one",
                              to_string(range), to_string(theirs), label(other.name)));
    }
  }
  const AnnouncedBackend ours = configured_backend(made);
  const AnnouncedBackend theirs = configured_backend(*other.config);
  const bool has_tunnels = ours.type == "ipsec";
  const bool has_one_device = has_tunnels || ours.type == "ipip" || ours.type == "wireguard";
  if (has_one_device && ours.type == theirs.type) {
    return fail(ErrorKind::conflict,
                fmt::format("a host has the {} {} of one network, and they belong to {}; give "
                            "Backend another Type",
                            ours.type, has_tunnels ? "tunnels" : "devices", label(other.name)));
  }
  // Networks with vxlan may share a port: their VNIs differ.
  const bool are_both_vxlan = ours.type == "vxlan" && theirs.type == "vxlan";
  if (are_both_vxlan && ours.vni == theirs.vni) {
    return fail(ErrorKind::conflict, fmt::format("VNI {} belongs to {}; give Backend another VNI",
                                                 ours.vni, label(other.name)));
  }
  if (ours.port != 0 && ours.port == theirs.port && !are_both_vxlan) {
    return fail(ErrorKind::conflict,
                fmt::format("UDP port {} belongs to {}; give Backend another Port", ours.port,
                            label(other.name)));
  }
  return {};
}

}  // namespace flannel
