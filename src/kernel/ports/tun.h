// SPDX-License-Identifier: Apache-2.0
// Creates, adopts and resumes the TUN device of the udp backend. docs/dataplane.md
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "net/address.h"

namespace flannel {

// Offloads that the kernel offers; each needs those before it.
struct TunAbilities {
  bool header = false;  // packets have a virtio header
  bool tcp = false;     // TCP super-packets
  bool udp = false;     // UDP super-packets (Linux 6.2)
  bool operator==(const TunAbilities&) const = default;
};
std::string to_string(const TunAbilities& abilities);  // "tcp udp", "checksum", "none"

struct TunOptions {
  // "flannel%d": the first number that is free or whose device is stale (persistent, and no process
  // has it open). A name without %d: only that device. A stale device with an address in `networks`
  // is preferred; a device whose addresses are all outside of them belongs to another program.
  std::string name = "flannel%d";
  std::vector<IpPrefix> networks = {};
  int queues = 1;
  // The device, with its addresses and routes, remains when its last queue is closed. Packets that
  // are sent to it meanwhile are lost, unless another process holds a queue.
  bool persistent = false;
  // The abilities to request; the kernel may grant fewer. Only tests request fewer than all.
  TunAbilities wanted = {.header = true, .tcp = true, .udp = true};
};

struct TunDevice {
  std::string name;
  bool adopted = false;  // it existed before
  TunAbilities abilities;
  std::vector<Fd> queues;  // not blocking
};

// Opens a device in the network namespace of the calling thread. The device belongs to the caller's
// effective user: other users can attach to it only with CAP_NET_ADMIN. Missing offloads are logged
// once. ErrorKind::exists: every device that the name allows is in use or not a TUN device.
Result<TunDevice> open_tun(const TunOptions& options);

// Resumes queues that an earlier process of ours left open (held in systemd's FDSTORE), without
// loss of the packets in them. All queues belong to one device, whose name is used instead of
// `options.name`.
Result<TunDevice> resume_tun(std::vector<Fd> queues, const TunOptions& options);

// Returns other descriptors of the queues of the device.
Result<std::vector<Fd>> duplicate(const TunDevice& device);

// Sets whether the device remains when its queues are closed; after `false`, closing them removes
// it.
Result<void> set_persistent(const TunDevice& device, bool persistent);

}  // namespace flannel
