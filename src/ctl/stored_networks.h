// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "core/network_config.h"
#include "core/registry.h"
#include "ctl/command.h"

namespace flannel {

// A network of the store. `name` is empty for the one that has none.
struct StoredNetwork {
  std::string name;
  Snapshot snapshot;  // has a configuration
  Result<NetworkConfig> config = NetworkConfig{};
};

// "the network blue", for messages.
std::string label(const std::string& network);

// Returns all networks that have a configuration, the one without a name first. `options` are about
// that one. Prints a warning of each name that no network can have.
Result<std::vector<StoredNetwork>> read_networks(const CtlOptions& options,
                                                 const Terminal& terminal);

// Fails if a host could not have a network of this configuration beside the other one.
Result<void> check_beside(const NetworkConfig& made, const StoredNetwork& other);

}  // namespace flannel
