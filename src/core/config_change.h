// SPDX-License-Identifier: Apache-2.0
// What a change of the network's configuration does to hosts that run. Each host switches when it
// sees the new configuration, so for some time both are in use: a host reaches a peer by the data
// plane that the peer's lease announces, and has the old data plane beside the new one until no
// lease announces the old one.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/announced_backend.h"
#include "core/lease.h"
#include "core/listed_lease.h"
#include "core/network_config.h"

namespace flannel {

enum class NetworkFate {
  stays,  // perhaps with other rules for new leases
  added,
  retired,
  grown,   // the new network contains the old one
  shrunk,  // the old network contains the new one
  moved,   // the two have no address in common
};

// The change of one family.
struct NetworkChange {
  Family family = Family::v4;
  NetworkFate fate = NetworkFate::stays;
  std::optional<SubnetRange> before{}, after{};  // at least one of the two

  bool operator==(const NetworkChange&) const = default;
};

enum class DataPlaneFate {
  stays,
  side_by_side,  // a host has both until no lease announces the old one
};

struct DataPlaneChange {
  DataPlaneFate fate = DataPlaneFate::stays;
  AnnouncedBackend before, after;

  bool operator==(const DataPlaneChange&) const = default;
};

// Another value of an option that hosts need not agree on: the data plane that a host has gets it.
struct OptionChange {
  std::string key;              // "MTU"
  std::string before, after;    // "1400", "true"
  bool makes_a_device = false;  // a new device replaces the old one, and packets in it are lost

  bool operator==(const OptionChange&) const = default;
};

enum class Objection {
  outside,          // a subnet of the host is outside of the new network
  no_family,        // the host has subnets only of families that the new configuration lacks
  does_not_follow,  // the host is another flannel, and keeps the old data plane until a restart
  gbp_of_one_port,  // a host makes its devices on the port anew, and packets are lost meanwhile
};

// A host that is cut off.
struct CutOff {
  Objection why = Objection::outside;
  SubnetKey subnet;
  PublicIps host;

  bool operator==(const CutOff&) const = default;
};

struct ConfigChange {
  // These three are empty if there was no configuration before.
  std::vector<NetworkChange> networks{};  // IPv4 first
  std::optional<DataPlaneChange> data_plane{};
  std::vector<OptionChange> options{};

  std::vector<Objection> in_general{};  // what stands against the change for all hosts
  std::vector<CutOff> cut_off{};        // ordered by subnet
  // Leases without a node id: of another flannel, which does not follow, or reservations for hosts
  // that do not run. The two cannot be distinguished.
  std::size_t without_node_id = 0;

  // True if the change is to be made only by an operator who insists on it.
  bool is_refused() const { return !in_general.empty() || !cut_off.empty(); }
  // True if hosts that run do not change anything.
  bool changes_nothing() const;
};

// `running`: the configuration that hosts have; nullopt: none. `leases`: those of a LeaseTable with
// the networks of `running`.
ConfigChange plan_change(const std::optional<NetworkConfig>& running, const NetworkConfig& next,
                         const ListedLeases& leases);

}  // namespace flannel
