// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "backend/backend.h"
#include "core/keeper_options.h"
#include "core/node_id.h"
#include "plan/underlay_choice.h"

namespace flannel {

struct AgentOptions {
  UnderlayRequest underlay;
  KeeperOptions keeper;
  NodeTag node;
  std::string subnet_file;  // --subnet-file
  bool ip_masq = false;     // only copied into subnet.env
  bool ip_blackhole_route = false;
  bool probe_peers = false;   // --probe-peers
  bool offline_start = true;  // false: --no-offline-start
  // A network whose configuration is deleted is left (--networks=*). So that a run can leave what
  // an earlier one had there, it begins with the configuration of that one.
  bool leaves_deleted = false;
  // A network of so many leases is listed at each start: etcd answers a list of them sooner than a
  // watch from an earlier revision, which waits for etcd's next look at old watches (0.1 s).
  std::size_t few_leases = 1000;
  // The kernel fills in the checksums of packets by vxlan devices.
  bool software_checksums = false;
  PacketPathWishes packet_path = {};
  // Why this process cannot program the kernel; empty if it can. Then only the backend alloc, which
  // does not need to, can be used.
  std::string powerless = {};

  // Takes over from `wanted` what can change while the agent runs: underlay, ip_masq,
  // ip_blackhole_route, and of the keeper renew_margin and renumber.
  void take_live(const AgentOptions& wanted);
};

}  // namespace flannel
