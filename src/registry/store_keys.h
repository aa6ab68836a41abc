// SPDX-License-Identifier: Apache-2.0
// The names of the keys in a store: <prefix>/config and <prefix>/subnets/<key>.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/registry.h"

namespace flannel {

// Cleans a path as Go's path.Clean does, which upstream flannel uses for its keys: the result has
// no empty, "." or ".." parts and no slash at the end; a leading slash is kept. Unlike there, the
// empty path stays empty, as in Go's path.Join.
std::string clean_path(std::string_view path);

struct StoreKeys {
  explicit StoreKeys(std::string_view prefix);

  std::string prefix;   // cleaned: "/coreos.com/network"
  std::string config;   // "/coreos.com/network/config"
  std::string subnets;  // with the slash at its end: "/coreos.com/network/subnets/"

  // Returns what all keys begin with: "/coreos.com/network/"; empty without a prefix.
  std::string folder() const { return config.substr(0, config.size() - 6); }
  std::string subnet(std::string_view key) const { return subnets + std::string(key); }
  // Returns the networks of which one of these keys is the configuration: "blue" of
  // "/coreos.com/network/blue/config".
  NetworkList networks_of(std::span<const std::string> keys) const;
  // Returns the part of `full` after `subnets`; nullopt if `full` does not begin with it.
  std::optional<std::string_view> below_subnets(std::string_view full) const;
};

}  // namespace flannel
