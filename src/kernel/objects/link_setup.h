// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/result.h"
#include "kernel/netlink/devices.h"
#include "kernel/netlink/netlink_socket.h"
#include "kernel/objects/wireguard_devices.h"
#include "plan/net_state.h"

namespace flannel {

// Creates, changes and removes single devices, step by step. ErrorKind::conflict: a device of that
// name exists and is of a kind that we do not make; it is left unchanged.
class LinkSetup {
 public:
  LinkSetup(NetlinkSocket& socket, Devices& devices, WireguardDevices& wireguard)
      : socket_(socket), devices_(devices), wireguard_(wireguard) {}

  // Creates the device, or changes its MTU, MAC, learning, queue length, check of sources and state
  // in place, which preserves addresses and routes. ErrorKind::invalid: the change needs a new
  // device. ErrorKind::not_found: a TUN device is missing, which only the packet path can make.
  Result<void> put(const Link& link);
  // Deletes the old device only after checks that the new one can be created: its lower device
  // exists, and its UDP port is available.
  Result<void> recreate(const Link& link);
  Result<void> remove(const std::string& name);

 private:
  // nullptr: no device has this name.
  Result<const LinkRow*> find_ours(const std::string& name);
  Result<int> lower_of(const Link& link);
  // Makes the device under another name for a moment, if its kind allows and needs that.
  Result<void> try_out(const LinkRow& row, const Link& link);
  Result<void> create(const Link& link);
  Result<void> change(const LinkRow& row, const Link& link);
  std::vector<LinkRow> all_links();
  Result<void> carry_out(NetlinkBatch& batch);  // returns the first failure

  NetlinkSocket& socket_;
  Devices& devices_;
  WireguardDevices& wireguard_;
};

}  // namespace flannel
