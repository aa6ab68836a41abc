// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "core/lease.h"
#include "net/address.h"

namespace flannel {

struct KeeperOptions {
  std::chrono::seconds ttl{86400};            // upstream: subnetTTL
  std::chrono::seconds renew_margin{3600};    // --subnet-lease-renew-margin
  std::optional<NodeTag> node = {};           // put into every record; nullopt: none, as upstream
  bool address_is_ours = false;               // Chooser
  bool renumber = false;                      // --on-subnet-loss=renumber
  std::vector<IpAddress> keep_clear_of = {};  // the subnet contains none of these
  // The one subnet to lease: this host holds it in another store, which decides who owns what. The
  // copy of another host's lease (kCopiedFrom) is then replaced. nullopt: any subnet.
  std::optional<SubnetKey> only = {};
};

}  // namespace flannel
