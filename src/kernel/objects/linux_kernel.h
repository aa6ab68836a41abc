// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "kernel/netlink/devices.h"
#include "kernel/netlink/netlink_socket.h"
#include "kernel/objects/last_written.h"
#include "plan/kernel.h"

namespace flannel {

// The kernel of the network namespace that the opening thread is in, over one request socket. Loop
// thread only. docs/kernel-objects.md
//
// A device that has the name of one of ours and is of no kind we make is not read, and every change
// of it or of something on it is ErrorKind::conflict. Putting a route takes over one that somebody
// else has to the same destination (upstream's, at a migration); removing one never does.
class LinuxKernel final : public Kernel {
 public:
  struct Options {
    std::size_t plain_routes = 256;  // beyond: next-hop objects, see route_placement.h
    NetlinkSocket::Options socket{};
  };
  static Result<std::unique_ptr<LinuxKernel>> open(Options options);
  static Result<std::unique_ptr<LinuxKernel>> open() { return open(Options{}); }

  // Also removes next-hop objects of our protocol that no route named this time and the last time.
  Result<NetState> read(const Scope& scope) override;
  std::vector<Result<void>> apply(std::span<const KernelChange> changes) override;

  // Our number in notifications of what we did.
  std::uint32_t port() const { return socket_.port(); }
  const LastWritten& last_written() const { return last_written_; }
  // True if the device is unchanged since our last write, or was absent then and still is.
  bool unchanged_since_write(const std::string& link);

 private:
  LinuxKernel(NetlinkSocket socket, const Options& options);

  Result<void> apply_link(const KernelChange& change, Devices& devices);
  void note_link(const std::string& name, Devices& devices);

  Result<NetState> read_all(const Scope& scope);
  Result<void> read_link(const std::string& name, const Scope& scope, Devices& devices,
                         NetState& state);
  Result<void> read_addresses(const LinkRow& row, const Scope& scope, NetState& state);
  Result<void> read_neighbours(const LinkRow& row, NetState& state);
  Result<void> read_fdb(const LinkRow& row, NetState& state);
  Result<void> read_routes(const Scope& scope, Devices& devices, NetState& state);
  Result<void> read_left_routes(const Scope& scope, Devices& devices, NetState& state);
  Result<std::vector<NexthopRow>> read_nexthops();
  void delete_orphans(std::set<std::uint32_t> orphans);

  NetlinkSocket socket_;
  std::size_t plain_routes_;
  LastWritten last_written_;
  std::set<std::uint32_t> orphans_seen_;
};

}  // namespace flannel
