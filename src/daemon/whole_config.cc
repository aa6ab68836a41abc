// SPDX-License-Identifier: Apache-2.0
#include "daemon/whole_config.h"

#include "backend/backend.h"

namespace flannel {
namespace {

// Returns an underlay on which every valid configuration works, to check a configuration alone.
Underlay widest_underlay(const NetworkConfig& config) {
  const auto ip = IpAddress::v4(192, 0, 2, 1);
  const auto ip6 = IpAddress::parse_v6("2001:db8::1").value();
  return underlay_for(config, {.interface = "eth0",
                               .interface_index = 2,
                               .mtu = 65535,
                               .v4 = UnderlayAddress{ip, ip},
                               .v6 = UnderlayAddress{ip6, ip6}});
}

}  // namespace

Result<ParsedConfig> parse_whole_config(std::string_view text) {
  auto parsed = TRY(parse_network_config(text));
  TRY_DURING(make_backend(parsed.config, widest_underlay(parsed.config)), "Backend");
  return parsed;
}

}  // namespace flannel
