// SPDX-License-Identifier: Apache-2.0
#include "simulation/configurations.h"

#include <fmt/format.h>

namespace flannel::simulation {
namespace {

// The length of the prefix of a network that has grown.
constexpr int kGrownBits = 18;
constexpr int kGrownBits6 = 58;

}  // namespace

std::string config_text(Enabled families, std::string_view backend, bool grown) {
  std::string text = "{";
  if (families == Enabled::v6) text += R"("EnableIPv4":false,)";
  if (families != Enabled::v6)
    text += fmt::format(R"("Network":"10.5.0.0/{}",)", grown ? kGrownBits : kGrownBits + 1);
  if (families != Enabled::v4) {
    text += fmt::format(R"("EnableIPv6":true,"IPv6Network":"fd00:5::/{}",)",
                        grown ? kGrownBits6 : kGrownBits6 + 1);
  }
  return text + fmt::format(R"("Backend":{{"Type":"{}"}}}})", backend);
}

Enabled families_of(const NetworkConfig& config) {
  if (!config.v6) return Enabled::v4;
  return config.v4 ? Enabled::both : Enabled::v6;
}

bool is_grown(const NetworkConfig& config) {
  return config.v4 ? config.v4->network.bits == kGrownBits : config.v6->network.bits == kGrownBits6;
}

}  // namespace flannel::simulation
