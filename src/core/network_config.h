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

// The subnets of one family that may be leased.
struct SubnetRange {
  IpPrefix network;             // the family is that of this prefix
  std::uint8_t subnet_len = 0;  // prefix length of one host's subnet
  IpAddress first;              // base of the first subnet that may be leased
  IpAddress last;               // base of the last one

  // The number of subnets from `first` to `last`, inclusive; 2^64-1 if there are more.
  std::uint64_t count() const;
  // The n-th of these subnets, n < count().
  IpPrefix at(std::uint64_t n) const { return {first.plus(n, host_bits()), subnet_len}; }
  // The number of the subnet that contains `address`, which is not before `first`; at most 2^64-1.
  std::uint64_t number_of(const IpAddress& address) const;
  // True if a lease on `subnet` is usable: its base lies in the range and its length is subnet_len.
  bool allows(const IpPrefix& subnet) const;

  bool operator==(const SubnetRange&) const = default;

 private:
  unsigned host_bits() const { return IpPrefix{first, subnet_len}.host_bits(); }
};

struct NetworkConfig {
  // At least one of the two.
  std::optional<SubnetRange> v4{};
  std::optional<SubnetRange> v6{};
  bool enable_nftables = false;

  // Packets may pass to and from these networks of a host, if those name this one, too. Names.
  std::vector<std::string> peers{};

  std::string backend_type = "udp";  // lower case; absent in the JSON means udp
  std::string backend_options{};     // the Backend object as JSON text; empty when absent

  const std::optional<SubnetRange>& at(Family family) const {
    return family == Family::v4 ? v4 : v6;
  }
  // The networks of the enabled families, IPv4 first.
  std::vector<IpPrefix> networks() const;

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
