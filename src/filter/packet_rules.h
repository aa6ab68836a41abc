// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/network_config.h"
#include "net/address.h"
#include "rules/docker_rules.h"

namespace flannel {

// The rules of the packet filter, as the agent sees them. Loop thread only.
class PacketRules {
 public:
  virtual ~PacketRules() = default;

  // From now on the rules are kept as this network and this host's subnet need them.
  virtual void want(const NetworkConfig& config, const Cidr4& subnet) = 0;
  // How the overlay comes in, from now on; cheap where it has not changed.
  virtual void admit(const OverlayIngress& ingress) = 0;
  // What containers cannot do without is there.
  virtual bool in_place() const = 0;
  // What is wrong; empty: nothing.
  virtual const std::string& trouble() const = 0;
};

}  // namespace flannel
