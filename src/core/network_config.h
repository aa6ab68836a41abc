// SPDX-License-Identifier: Apache-2.0
// The network's configuration: the JSON text under <prefix>/config. Format: docs/config.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/address.h"

namespace flannel {

struct NetworkConfig {
  bool enable_ipv4 = true;
  bool enable_ipv6 = false;
  bool enable_nftables = false;

  Cidr4 network;
  std::uint8_t subnet_len = 0;  // prefix length of one host's subnet
  Ip4 subnet_min;               // base of the first subnet that may be leased
  Ip4 subnet_max;               // base of the last one

  Cidr6 network6;  // the same for IPv6; meaningful only with enable_ipv6
  std::uint8_t subnet6_len = 0;
  Ip6 subnet6_min;
  Ip6 subnet6_max;

  std::string backend_type = "udp";  // lower case; absent in the JSON means udp
  std::string backend_options;       // the Backend object as JSON text; empty when absent

  // The number of subnets from subnet_min to subnet_max, inclusive.
  std::uint64_t subnet_count() const;
  // The n-th of these subnets, n < subnet_count().
  Cidr4 subnet_at(std::uint64_t n) const;
  // True if a lease on `subnet` is usable under this configuration: its base lies in the range and
  // its length is subnet_len.
  bool allows(const Cidr4& subnet) const;

  bool operator==(const NetworkConfig&) const = default;
};

struct ParsedConfig {
  NetworkConfig config;
  std::vector<std::string> warnings;  // unknown keys, options without effect
};

// Parses and validates by the rules of Go's encoding/json (go_json.h). The error names the key, its
// value and the broken rule.
Result<ParsedConfig> parse_network_config(std::string_view text);

// True if `key`, in any case, is a key of the outermost object, which has no effect inside of
// Backend.
bool is_network_key(std::string_view key);

}  // namespace flannel
