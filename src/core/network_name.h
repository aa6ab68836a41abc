// SPDX-License-Identifier: Apache-2.0
// Several networks in one store: the keys of the network "blue" are below PREFIX/blue.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace flannel {

inline constexpr std::size_t kLongestNetworkName = 32;  // bytes

// Fails unless `name` is letters, digits, "-", "_" and ".", begins with one of the first two, and
// has at most kLongestNetworkName characters. "config", "subnets" and what ends with "-health" are
// keys of another network.
Result<void> check_network_name(std::string_view name);

// Returns the prefix of the keys of this network. An empty `name`: there is one network, without a
// name, and `prefix` is its own.
std::string prefix_of_network(std::string_view prefix, std::string_view name);
// Returns the prefix of all networks from what prefix_of_network() returned for this name.
std::string prefix_without_network(std::string_view prefix, std::string_view name);

}  // namespace flannel
