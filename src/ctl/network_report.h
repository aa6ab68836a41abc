// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "core/network_config.h"

namespace flannel {

// What a configuration means for the network, found out the way flanneld does.
struct NetworkReport {
  NetworkConfig config;
  std::uint32_t underlay_mtu = 0;
  std::uint32_t overlay_mtu = 0;
  std::vector<std::string> warnings;
};

// The error says what is wrong with the text, or what of it this release cannot do.
Result<NetworkReport> report_on(std::string_view config_text, std::uint32_t underlay_mtu);

// A few lines for people.
std::string to_text(const NetworkReport& report);

}  // namespace flannel
