// SPDX-License-Identifier: Apache-2.0
// The text of /run/flannel/subnet.env, which container engines read. Format: docs/subnet-env.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/lease.h"
#include "net/address.h"

namespace flannel {

struct SubnetEnv {
  std::optional<IpPrefix> network;
  std::optional<IpPrefix> subnet;  // written as its first host address: 10.5.52.1/24
  std::optional<IpPrefix> network6;
  std::optional<IpPrefix> subnet6;
  std::uint32_t mtu = 0;
  bool ip_masq = false;  // the value of --ip-masq

  bool operator==(const SubnetEnv&) const = default;
};

std::string encode_subnet_env(const SubnetEnv& env);

// The subnets of an earlier run; a family whose value is absent or invalid has none, and nullopt
// means neither has one. The text has dotenv syntax: comments, `export`, quotes.
std::optional<SubnetKey> decode_previous_subnet(std::string_view text);

// The networks of an earlier run, at most one of each family; absent or invalid ones are left out.
std::vector<IpPrefix> decode_previous_networks(std::string_view text);

}  // namespace flannel
