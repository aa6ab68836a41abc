// SPDX-License-Identifier: Apache-2.0
// Makes, finds again and takes over the TUN device of the udp backend. docs/dataplane.md
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "net/address.h"

namespace flannel {

// What the kernel does for us; each needs those before it.
struct TunAbilities {
  bool header = false;  // packets come and go with a virtio header
  bool tcp = false;     // super-packets of TCP
  bool udp = false;     // of UDP (Linux 6.2)
  bool operator==(const TunAbilities&) const = default;
};
std::string to_string(const TunAbilities& abilities);  // "tcp udp", "checksum", "none"

struct TunOptions {
  // "flannel%d": the first number that is free, or whose device an earlier run left to us: it is
  // persistent and nobody has it open. A name without %d: that device alone.
  // A device with an address in `network` is taken before others, one with an address elsewhere is
  // somebody else's.
  std::string name = "flannel%d";
  std::optional<Cidr4> network = {};
  int queues = 1;
  // The device stays when its last queue is closed, with its addresses and routes; what is sent to
  // it meanwhile is lost, unless somebody holds a queue.
  bool persistent = false;
  // What is asked for; the kernel may grant less. Less than all is for tests.
  TunAbilities wanted = {.header = true, .tcp = true, .udp = true};
};

struct TunDevice {
  std::string name;
  bool adopted = false;  // it was there before
  TunAbilities abilities;
  std::vector<Fd> queues;  // not blocking
};

// In the network namespace of the calling thread. The device belongs to the caller's effective
// user: others may attach to it only with CAP_NET_ADMIN. Less than full offloads is logged once.
// ErrorKind::exists: the one device named is in use or not a TUN device.
Result<TunDevice> open_tun(const TunOptions& options);

// Goes on with queues that an earlier process of ours left open (kept by systemd's FDSTORE): no
// packet that waits in them is lost. All of one device; its name is the device's, whatever
// `options` says.
Result<TunDevice> resume_tun(std::vector<Fd> queues, const TunOptions& options);

// Whether the device outlives its queues; false before closing them removes it.
Result<void> set_persistent(const TunDevice& device, bool persistent);

}  // namespace flannel
