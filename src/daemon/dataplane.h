// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/fd.h"
#include "charon/key_exchange.h"
#include "core/lease.h"
#include "core/network_config.h"
#include "daemon/command_runner.h"
#include "daemon/packet_path.h"

namespace flannel {

// One backend of a network as it runs on this host: its devices, and its packet path if the kernel
// does not carry the packets.
struct Dataplane {
  NetworkConfig config;  // with the options of this backend
  std::unique_ptr<Backend> backend;
  AnnouncedBackend announced;
  HostFacts host;                             // as this backend sees it
  std::vector<std::vector<Fd>> locks;         // on its devices and its UDP port
  std::unique_ptr<PacketPath> path;           // null: the kernel carries the packets
  PacketPathSettings settings;                // of the path
  std::shared_ptr<const ForwardTable> table;  // that the path has; null: none yet
  std::unique_ptr<CommandRunner> commands;    // null: the backend has none
  std::unique_ptr<KeyExchange> keys;          // null: the backend needs none
  // Our lease as it announced this backend last: hosts that have not seen our present lease send
  // to that. nullopt: it never did.
  std::optional<LeaseAttributes> former;
  std::size_t peers = 0;            // subnets of peers that are reached by it
  TimePoint unused_since = kNever;  // no peer announces it, and it is not ours; kNever: it is used

  // The MTU for containers.
  std::uint32_t overlay_mtu() const { return backend->overlay_mtu(host); }
  // All devices, by name, each once.
  std::vector<std::string> device_names() const;
  // All devices, with the families that each carries.
  std::vector<BackendDevice> devices() const;
  // The kernel objects that this host needs for it; `own` announces whatever is ours now.
  NetState host_state(Lease own) const;
};

}  // namespace flannel
