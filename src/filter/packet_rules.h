// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "base/problem.h"
#include "core/lease.h"
#include "core/network_config.h"
#include "net/address.h"
#include "rules/docker_rules.h"

namespace flannel {

// The rules of the packet filter as the agent uses them. Loop thread only.
class PacketRules {
 public:
  virtual ~PacketRules() = default;

  // Keeps the rules, from now on, as the network needs them for each family in which this host has
  // a subnet. Of a family in which it has none, the rules are removed that a run before left for
  // its network. `earlier`: the networks of that run.
  virtual void want(const NetworkConfig& config, const SubnetKey& own,
                    std::span<const IpPrefix> earlier) = 0;
  // Says how packets of the overlay arrive, from now on; costs nothing if that has not changed.
  virtual void admit(const OverlayIngress& ingress) = 0;
  // Removes the rules of the network, and keeps none from now on.
  virtual void leave() = 0;
  // True if leave() has nothing left to do.
  virtual bool has_left() const = 0;
  // True if masquerading and the separation from other networks are in force, or not asked for. On
  // a host with both families, IPv6 may have failed: IPv4 does not wait for it.
  virtual bool in_place() const = 0;
  // What is wrong, for each family.
  virtual std::vector<Problem> problems() const = 0;
};

}  // namespace flannel
