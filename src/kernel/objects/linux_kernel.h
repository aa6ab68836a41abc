// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "kernel/netlink/devices.h"
#include "kernel/netlink/netlink_socket.h"
#include "kernel/objects/ipsec_policies.h"
#include "kernel/objects/last_written.h"
#include "kernel/objects/wireguard_devices.h"
#include "plan/kernel.h"

namespace flannel {

// The kernel of the network namespace of the thread that opens it, over one request socket. Loop
// thread only. docs/kernel-objects.md
//
// It may serve several reconcilers whose scopes share neither devices nor networks: what a read of
// one scope remembers leaves what is remembered of the others.
//
// A device with one of our names that is of a kind that we do not make is not read, and every
// change of it or of an object on it is ErrorKind::conflict. The put of a route replaces another
// program's route to the same destination (upstream's, at a migration); a removal never removes
// another program's route.
class LinuxKernel final : public Kernel {
 public:
  struct Options {
    std::size_t plain_routes = 256;  // further ones use next-hop objects: route_placement.h
    NetlinkSocket::Options socket{};
  };
  static Result<std::unique_ptr<LinuxKernel>> open(Options options);
  static Result<std::unique_ptr<LinuxKernel>> open() { return open(Options{}); }

  // Also removes next-hop objects of our protocol that no route named in this read and the one
  // before.
  Result<NetState> read(const Scope& scope) override;
  std::vector<Result<void>> apply(std::span<const KernelChange> changes) override;

  // The number by which notifications name us.
  std::uint32_t port() const { return socket_.port(); }
  // The same for policies of IPsec; nullopt: none was read or written yet.
  std::optional<std::uint32_t> policies_port() const { return policies_.port(); }
  const LastWritten& last_written() const { return last_written_; }
  // True if the device is unchanged since our last write, or was absent then and still is.
  bool unchanged_since_write(const std::string& link);

 private:
  LinuxKernel(NetlinkSocket socket, const Options& options);

  Result<void> apply_link(const KernelChange& change, Devices& devices);
  Result<void> set_checksums(const Link& link, Devices& devices);
  bool has_software_checksums(const LinkRow& row, const Scope& scope);
  void note_link(const std::string& name, Devices& devices);

  struct Reading;  // what one read() has found so far
  Result<void> read_all(Reading& reading);
  Result<void> read_link(const std::string& name, Reading& reading);
  Result<void> read_addresses(const LinkRow& row, Reading& reading);
  Result<void> read_neighbours(const LinkRow& row, Reading& reading);
  Result<void> read_fdb(const LinkRow& row, Reading& reading);
  Result<void> read_routes(Reading& reading);
  Result<void> read_left_routes(Reading& reading);
  Result<std::vector<NexthopRow>> read_nexthops(Reading& reading);
  void delete_orphans(std::set<std::uint32_t> orphans);

  NetlinkSocket socket_;
  WireguardDevices wireguard_;
  IpsecPolicies policies_;
  std::size_t plain_routes_;
  LastWritten last_written_;
  std::set<std::uint32_t> orphans_seen_;
  // The indexes of devices whose checksums we have the kernel fill in, by our own wish.
  std::set<int> software_checksums_;
};

}  // namespace flannel
