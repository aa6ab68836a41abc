// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "core/network_config.h"

namespace flannel {

// The consequences of a configuration for the network, determined as flanneld does it.
struct NetworkReport {
  NetworkConfig config;
  std::uint32_t underlay_mtu = 0;
  std::uint32_t overlay_mtu = 0;
  std::vector<std::string> warnings;
};

// An error says what is wrong with the text, or which part of it this release does not support.
Result<NetworkReport> report_on(std::string_view config_text, std::uint32_t underlay_mtu);

// Returns the report as a few lines of text.
std::string to_text(const NetworkReport& report);

}  // namespace flannel
