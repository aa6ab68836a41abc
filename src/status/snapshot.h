// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/problem.h"
#include "core/lease.h"
#include "core/lease_table.h"
#include "core/store_feed.h"
#include "plan/host.h"
#include "plan/reconciler.h"
#include "probe/counters.h"

namespace flannel {

struct StoreStatus {
  std::string name;  // "etcd v3 at http://127.0.0.1:2379"
  bool connected = false;
  TimePoint since;                   // when `connected` last changed
  std::uint64_t lists = 0;           // lists read from the store
  std::uint64_t positions_lost = 0;  // the store was compacted, cleared or restored
  std::uint64_t resumed = 0;         // broken watches that went on without a list
  std::uint64_t refuted = 0;         // times that the store had another history than the known one
  StoreFailures failures;
};

struct LeaseStatus {
  Lease lease;
  std::string phase;        // "active"
  TimePoint ends = kNever;  // kNever: a reservation
};

struct PeerStatus {
  std::size_t up = 0;  // peers whose objects are desired
  // Some of the unreachable peers and of the quarantined records; the others are only counted.
  std::map<std::string, std::string> unreachable{};  // subnet -> reason
  std::size_t more_unreachable = 0;
  std::vector<QuarantinedRecord> quarantined{};
  std::size_t more_quarantined = 0;
  std::size_t silent = 0;     // of those up: probes show that packets do not pass, one way or both
  std::size_t suspected = 0;  // of those up: vanished from the store in a mass loss
};

struct KernelStatus {
  std::map<std::string, std::string> unmet;  // object -> reason; only some of them
  std::size_t more_unmet = 0;
  ReconcileCounters counters;
};

// The status of a backend that carries packets in user space.
struct PacketPathStatus {
  using Numbers = std::vector<std::pair<std::string_view, std::uint64_t>>;
  struct Counters {
    Numbers work;
    Numbers drops;  // by reason
  };

  std::string device;
  std::string trouble;               // why no packets are carried; empty: none
  std::function<Counters()> read{};  // the values at the time of the call; any thread
};

// What probes of peers have shown.
struct ProbeStatus {
  std::map<std::string_view, std::size_t> paths;  // how many, by their state
  std::shared_ptr<const ProbeCounters> counters;  // the values at the time of reading; any thread
};

// The daemon's state at one moment, as a value. The loop makes one after each change; other threads
// only read it.
struct StatusSnapshot {
  bool ready = false;             // containers may be attached
  std::vector<Problem> problems;  // what keeps it from ready, and others
  StoreStatus store;
  std::optional<LeaseStatus> lease;  // nullopt before the first one
  std::vector<IpPrefix> networks;    // of the overlay; empty without a configuration
  std::uint32_t mtu = 0;             // the longest packet of a container; 0: not known
  std::string backend;               // "vxlan"; empty without a configuration
  std::optional<Underlay> underlay;  // nullopt without a configuration
  PeerStatus peers;
  KernelStatus kernel;
  std::optional<ProbeStatus> probes = {};       // nullopt: peers are not probed
  std::optional<PacketPathStatus> packet_path;  // nullopt if the kernel carries the packets
};

}  // namespace flannel
