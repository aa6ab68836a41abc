// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "core/lease.h"
#include "core/lease_table.h"
#include "core/registry.h"
#include "plan/host.h"
#include "plan/reconciler.h"

namespace flannel {

struct StoreStatus {
  std::string name;  // "etcd v3 at http://127.0.0.1:2379"
  bool connected = false;
  TimePoint since;                   // when that last changed
  std::uint64_t lists = 0;           // taken
  std::uint64_t positions_lost = 0;  // compacted, cleared or restored under us
  StoreFailures failures;
};

struct LeaseStatus {
  Lease lease;
  std::string phase;        // "active"
  TimePoint ends = kNever;  // kNever: a reservation
};

struct PeerStatus {
  std::size_t up = 0;  // peers whose objects are desired
  // Of those that cannot be reached, and of the records that cannot be used, some are named.
  std::map<std::string, std::string> unreachable{};  // subnet -> why
  std::size_t more_unreachable = 0;
  std::vector<QuarantinedRecord> quarantined{};
  std::size_t more_quarantined = 0;
  std::size_t suspected = 0;  // of those up: gone from the store, many at once
};

struct KernelStatus {
  std::map<std::string, std::string> unmet;  // object -> why it is not in place; some of them
  std::size_t more_unmet = 0;
  ReconcileCounters counters;
};

// Of a backend that carries packets in user space.
struct PacketPathStatus {
  using Numbers = std::vector<std::pair<std::string_view, std::uint64_t>>;
  struct Counters {
    Numbers work;
    Numbers drops;  // by reason
  };

  std::string device;
  std::string trouble;               // why it carries nothing; empty: all is well
  std::function<Counters()> read{};  // as they stand when called; any thread
};

// What the daemon is doing, at one moment, as a value: the loop makes one after each change,
// other threads only read it.
struct StatusSnapshot {
  bool ready = false;                 // containers may be attached
  std::vector<std::string> troubles;  // why not, or what is wrong all the same; a sentence each
  StoreStatus store;
  std::optional<LeaseStatus> lease;  // nothing before the first one
  std::string backend;               // "vxlan"; empty before there is a configuration
  std::optional<Underlay> underlay;  // the same
  PeerStatus peers;
  KernelStatus kernel;
  std::optional<PacketPathStatus> packet_path;  // nothing where the kernel carries the packets
};

}  // namespace flannel
