// SPDX-License-Identifier: Apache-2.0
#include "simulation/configurations.h"

#include <fmt/format.h>

namespace flannel::simulation {

std::string config_text(Enabled families, std::string_view backend) {
  std::string text = "{";
  if (families == Enabled::v6) text += R"("EnableIPv4":false,)";
  if (families != Enabled::v6) text += R"("Network":"10.5.0.0/19",)";
  if (families != Enabled::v4) text += R"("EnableIPv6":true,"IPv6Network":"fd00:5::/59",)";
  return text + fmt::format(R"("Backend":{{"Type":"{}"}}}})", backend);
}

Enabled families_of(const NetworkConfig& config) {
  if (!config.v6) return Enabled::v4;
  return config.v4 ? Enabled::both : Enabled::v6;
}

}  // namespace flannel::simulation
