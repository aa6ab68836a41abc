// SPDX-License-Identifier: Apache-2.0
#include "simulation/configurations.h"

#include <fmt/format.h>

#include <algorithm>

namespace flannel::simulation {
namespace {

// The lengths of the prefixes of a network that has grown, and of subnets.
constexpr int kGrownBits = 18;
constexpr int kGrownBits6 = 58;
constexpr int kSubnetBits = 24;
constexpr int kSubnetBits6 = 64;

}  // namespace

std::string config_text(Enabled families, std::string_view backend, Ranges ranges, int port) {
  const int more = ranges.grown ? 0 : 1;
  const int longer = ranges.halved ? 1 : 0;
  std::string text = "{";
  if (families == Enabled::v6) text += R"("EnableIPv4":false,)";
  if (families != Enabled::v6) {
    text += fmt::format(R"("Network":"10.5.0.0/{}","SubnetLen":{},)", kGrownBits + more,
                        kSubnetBits + longer);
  }
  if (families != Enabled::v4) {
    text += fmt::format(R"("EnableIPv6":true,"IPv6Network":"fd00:5::/{}","IPv6SubnetLen":{},)",
                        kGrownBits6 + more, kSubnetBits6 + longer);
  }
  const std::string option = port == 0 ? "" : fmt::format(R"(,"Port":{})", port);
  return text + fmt::format(R"("Backend":{{"Type":"{}"{}}}}})", backend, option);
}

Enabled families_of(const NetworkConfig& config) {
  if (!config.v6) return Enabled::v4;
  return config.v4 ? Enabled::both : Enabled::v6;
}

Ranges ranges_of(const NetworkConfig& config) {
  if (config.v4) {
    return {config.v4->network.bits == kGrownBits, config.v4->subnet_len != kSubnetBits};
  }
  return {config.v6->network.bits == kGrownBits6, config.v6->subnet_len != kSubnetBits6};
}

bool is_allowed(const NetworkConfig& config, const SubnetKey& key) {
  return std::ranges::all_of(values_of(key), [&config](const IpPrefix& subnet) {
    const auto& range = config.at(subnet.family());
    return range && range->allows(subnet);
  });
}

}  // namespace flannel::simulation
