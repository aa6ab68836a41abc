// SPDX-License-Identifier: Apache-2.0
#include "plan/kernel.h"

#include <algorithm>

namespace flannel {

bool Scope::has_link(const std::string& name) const {
  return std::ranges::find(link_names, name) != link_names.end();
}

bool Scope::has_family(Family family) const {
  return std::ranges::find(networks, family, &IpPrefix::family) != networks.end();
}

bool Scope::contains(const IpAddress& address) const {
  return std::ranges::any_of(networks, [&](const IpPrefix& one) { return one.contains(address); });
}

bool Scope::contains(const IpPrefix& net) const {
  return std::ranges::any_of(networks, [&](const IpPrefix& one) { return one.contains(net); });
}

bool Scope::is_network(const IpPrefix& net) const {
  return std::ranges::find(networks, net) != networks.end();
}

bool Scope::is_own_subnet(const IpPrefix& net) const {
  return std::ranges::find(own_subnets, net) != own_subnets.end();
}

}  // namespace flannel
