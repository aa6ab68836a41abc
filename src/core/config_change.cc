// SPDX-License-Identifier: Apache-2.0
#include "core/config_change.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/backend_option.h"

namespace flannel {
namespace {

NetworkFate fate_of(const std::optional<SubnetRange>& before,
                    const std::optional<SubnetRange>& after) {
  if (!before) return NetworkFate::added;
  if (!after) return NetworkFate::retired;
  if (before->network == after->network) return NetworkFate::stays;
  if (after->network.contains(before->network)) return NetworkFate::grown;
  return before->network.contains(after->network) ? NetworkFate::shrunk : NetworkFate::moved;
}

std::vector<NetworkChange> network_changes(const NetworkConfig& running,
                                           const NetworkConfig& next) {
  std::vector<NetworkChange> changes;
  for (const Family family : kFamilies) {
    const auto& before = running.at(family);
    const auto& after = next.at(family);
    if (before || after) changes.push_back({family, fate_of(before, after), before, after});
  }
  return changes;
}

std::string in_words(const std::vector<std::string>& names) {
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

// Leaves of two different secrets what there is of them.
void hide(const BackendOption& option, std::string& before, std::string& after) {
  const bool had_one = before != option.absent;
  if (after != option.absent)
    after = had_one ? "another that is not shown" : "one that is not shown";
  if (had_one) before = "one that is not shown";
}

// A data plane beside the old one gets its options with its own device. But all vxlan devices of
// one UDP port have one socket, and Linux (6.18) refuses (EADDRINUSE) to set a device up whose GBP
// is another one than that of the socket. So both devices get the new value, the old one made anew.
std::vector<OptionChange> option_changes(const NetworkConfig& running, const NetworkConfig& next,
                                         const DataPlaneChange& plane) {
  std::vector<OptionChange> changes;
  if (running.backend_type != next.backend_type) return changes;
  for (const BackendOption& option : options_of_backend(next.backend_type)) {
    if (option.is_of_data_plane) continue;
    std::string before = value_of_option(running, option);
    std::string after = value_of_option(next, option);
    if (before == after) continue;
    if (option.is_secret) hide(option, before, after);
    changes.push_back({std::string(option.key), std::move(before), std::move(after),
                       option.remakes_the_device && plane.before.port == plane.after.port});
  }
  return changes;
}

// True if the host has this subnet in use, and cannot have it under `next`.
bool falls_outside(const std::optional<NetworkConfig>& running, const NetworkConfig& next,
                   const IpPrefix& subnet) {
  const auto is_in = [&subnet](const std::optional<SubnetRange>& range) {
    return range && range->network.contains(subnet);
  };
  const auto& after = next.at(subnet.family());
  const bool in_use = !running || is_in(running->at(subnet.family()));
  return in_use && after && !is_in(after);
}

bool has_a_family_of(const NetworkConfig& next, const SubnetKey& subnet) {
  return std::ranges::any_of(kFamilies,
                             [&](Family family) { return subnet.at(family) && next.at(family); });
}

// What a lease leaves open is as under the old configuration, which this host keeps.
bool is_left_behind(const DataPlaneChange& plane, const LeaseAttributes& lease) {
  if (lease.node || plane.fate == DataPlaneFate::stays) return false;
  return announced_backend(lease, plane.before) == plane.before;
}

std::optional<Objection> objection_of(const Lease& lease, const ConfigChange& change,
                                      const std::optional<NetworkConfig>& running,
                                      const NetworkConfig& next) {
  for (const IpPrefix& subnet : values_of(lease.subnet)) {
    if (falls_outside(running, next, subnet)) return Objection::outside;
  }
  if (!has_a_family_of(next, lease.subnet)) return Objection::no_family;
  if (change.data_plane && is_left_behind(*change.data_plane, lease.attributes)) {
    return Objection::does_not_follow;
  }
  return std::nullopt;
}

}  // namespace

bool ConfigChange::changes_nothing() const {
  const bool networks_stay = std::ranges::all_of(
      networks, [](const NetworkChange& network) { return network.before == network.after; });
  return networks_stay && data_plane && data_plane->fate == DataPlaneFate::stays && options.empty();
}

ConfigChange plan_change(const std::optional<NetworkConfig>& running, const NetworkConfig& next,
                         const ListedLeases& leases) {
  ConfigChange change;
  if (running) {
    change.networks = network_changes(*running, next);
    DataPlaneChange plane{.before = configured_backend(*running),
                          .after = configured_backend(next)};
    if (plane.before != plane.after) plane.fate = DataPlaneFate::side_by_side;
    change.options = option_changes(*running, next, plane);
    if (running->peers != next.peers) {
      change.options.push_back({"Peers", in_words(running->peers), in_words(next.peers)});
    }
    if (std::ranges::any_of(change.options, &OptionChange::makes_a_device) && !leases.empty()) {
      change.in_general.push_back(Objection::gbp_of_one_port);
    }
    change.data_plane = std::move(plane);
  }
  for (const auto& [subnet, listed] : leases) {
    if (!listed.lease->attributes.node) ++change.without_node_id;
    if (const auto why = objection_of(*listed.lease, change, running, next)) {
      change.cut_off.push_back({*why, subnet, listed.lease->attributes.public_ips()});
    }
  }
  return change;
}

}  // namespace flannel
