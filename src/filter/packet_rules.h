// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/network_config.h"
#include "net/address.h"
#include "rules/docker_rules.h"

namespace flannel {

// The rules of the packet filter as the agent uses them. Loop thread only.
class PacketRules {
 public:
  virtual ~PacketRules() = default;

  // Keeps the rules, from now on, as this network and this host's subnet need them.
  virtual void want(const NetworkConfig& config, const IpPrefix& subnet) = 0;
  // Says how packets of the overlay arrive, from now on; costs nothing if that has not changed.
  virtual void admit(const OverlayIngress& ingress) = 0;
  // True if masquerading is in force, or is not asked for.
  virtual bool in_place() const = 0;
  // What is wrong; empty if nothing is.
  virtual const std::string& trouble() const = 0;
};

}  // namespace flannel
