// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "kernel/netlink/devices.h"
#include "kernel/netlink/netlink_socket.h"
#include "kernel/objects/last_written.h"
#include "plan/kernel.h"

namespace flannel {

// Carries out changes that do not depend on each other: only addresses, only neighbours and FDB
// entries, or only routes; only puts or only removals. The first batch makes next-hop objects,
// because the form of a route depends on whether its object could be made. The second batch has all
// changes in their order. Then follow the routes to the networks of addresses, and the removal of
// objects that no route names any more.
class ChangeRun {
 public:
  // All references outlive the run. `results` has one result for each change.
  ChangeRun(NetlinkSocket& socket, Devices& devices, LastWritten& last_written,
            std::span<const KernelChange> changes, std::span<Result<void>> results);
  void carry_out();

 private:
  struct Todo {
    int link = 0;
    bool skip = false;  // its result is final
    RoutePlacement::Form form;
  };

  void look_at(std::size_t i);
  Result<int> link_of(const std::string& name, bool ours_only);
  void enable_ipv6();
  void make_nexthops();
  void record_nexthop(std::size_t i, const Result<void>& outcome);
  void write(NetlinkBatch& batch, std::size_t i);
  void put_past_other_routes(const std::vector<std::size_t>& asked,
                             std::vector<Result<void>>& outcomes);
  void record_result(std::size_t i, Result<void> outcome);
  void note(const KernelChange& change, const Todo& todo);
  void route_networks();
  void delete_unused_nexthops();

  NetlinkSocket& socket_;
  Devices& devices_;
  LastWritten& last_written_;
  std::span<const KernelChange> changes_;
  std::span<Result<void>> results_;
  std::vector<Todo> todos_;
  std::vector<std::uint32_t> unused_nexthops_;
};

}  // namespace flannel
