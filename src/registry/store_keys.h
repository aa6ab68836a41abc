// SPDX-License-Identifier: Apache-2.0
// Where things are in a store: <prefix>/config and <prefix>/subnets/<key>.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace flannel {

// The text as Go's path.Clean makes it, by which flannel has always named its keys: no empty, "."
// or ".." parts and no slash at the end; a leading slash stays. The empty path stays empty, which
// is what path.Join makes of it.
std::string clean_path(std::string_view path);

struct StoreKeys {
  explicit StoreKeys(std::string_view prefix);

  std::string prefix;   // cleaned: "/coreos.com/network"
  std::string config;   // "/coreos.com/network/config"
  std::string subnets;  // with the slash at its end: "/coreos.com/network/subnets/"

  std::string subnet(std::string_view key) const { return subnets + std::string(key); }
  // What comes after `subnets`; nothing if `full` lies elsewhere.
  std::optional<std::string_view> below_subnets(std::string_view full) const;
};

}  // namespace flannel
