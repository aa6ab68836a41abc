// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "kernel/netlink/devices.h"
#include "kernel/netlink/netlink_socket.h"
#include "plan/net_state.h"

namespace flannel {

// Makes, changes and removes single devices, step by step. ErrorKind::conflict: a device of that
// name is there that is of no kind we make; it stays as it is.
class LinkSetup {
 public:
  LinkSetup(NetlinkSocket& socket, Devices& devices) : socket_(socket), devices_(devices) {}

  // Changes MTU, MAC, learning, queue length and state in place, which keeps addresses and routes,
  // or makes the device. What needs a new device is ErrorKind::invalid. A TUN device is made by
  // whoever carries its packets, so a missing one is ErrorKind::not_found.
  Result<void> put(const Link& link);
  // The old device goes only when nothing that can be known keeps the new one from being made: its
  // lower device is there, and its UDP port can be had.
  Result<void> recreate(const Link& link);
  Result<void> remove(const std::string& name);

 private:
  // Null: none of this name.
  Result<const LinkRow*> find_ours(const std::string& name);
  Result<int> lower_of(const Link& link);
  Result<void> try_port(const LinkRow& row, const Link& link);
  Result<void> create(const Link& link);
  Result<void> change(const LinkRow& row, const Link& link);
  std::string holder_of(const Link& link);
  void name_vni_holder(Error& error, const Link& link);
  Result<void> carry_out(NetlinkBatch& batch);  // the first failure

  NetlinkSocket& socket_;
  Devices& devices_;
};

}  // namespace flannel
