// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "base/fd.h"
#include "base/result.h"
#include "charon/key_exchange.h"
#include "core/kept_state.h"
#include "core/node_id.h"
#include "core/registry.h"
#include "core/store_address.h"
#include "daemon/packet_path.h"
#include "kernel/process/shell.h"
#include "plan/host_problems.h"
#include "plan/ipsec.h"
#include "plan/left_device.h"
#include "plan/net_state.h"
#include "plan/underlay_choice.h"
#include "plan/wireguard.h"
#include "probe/port.h"

namespace flannel {

// Where the commands of a network keep what they have done.
struct CommandPlace {
  std::string file;
  // The boot in a network namespace (NodeTag), with which ends what they make; empty: not known.
  std::string where;
};

// The machine on which the agent runs, apart from its kernel objects (plan/kernel.h) and its packet
// filter (filter/packet_rules.h). The real one is daemon/linux_host.h. Loop thread only.
class Host {
 public:
  virtual ~Host() = default;

  // Returns the interfaces, addresses and default routes as they are now.
  virtual Result<HostView> view() = 0;
  // Returns how packets are forwarded, and which of them the packet filter refuses.
  virtual Result<HostState> traffic_state(const HostQuery& query) = 0;
  // Returns the devices that runs before left. Those of these networks are marked: the others may
  // be another daemon's.
  virtual std::vector<LeftDevice> left_devices(std::span<const IpPrefix> networks) = 0;
  // Locks `what` against other daemons of this host until the descriptors are closed.
  virtual Result<std::vector<Fd>> lock(std::string_view what) = 0;
  // Opens the packet path of a backend that carries packets in user space. The path calls its
  // `on_state` when its state changes.
  virtual Result<std::unique_ptr<PacketPath>> open_packet_path(const PacketPathSettings& settings,
                                                               std::function<void()> on_state) = 0;
  // Opens the sockets of probes. The port calls `events` until it is destroyed.
  virtual Result<std::unique_ptr<ProbePort>> open_probe_port(ProbePort::Events events) = 0;
  // Returns the addresses at which the store is reached.
  virtual std::vector<IpAddress> store_addresses() = 0;
  // Opens another store, to which the cluster moves, with the credentials of this host.
  virtual Result<std::unique_ptr<Registry>> open_store(const StoreAddress& address) = 0;
  // The keys of WireGuard, which are made at the first call on a host and kept.
  virtual Result<WireguardIdentity> wireguard_keys() = 0;
  // The clocks of this host.
  virtual HostClock clock() = 0;
  // Returns what an earlier run knew of the network; nullopt: nothing, or nothing that is of use.
  virtual std::optional<RestoredState> kept_state() = 0;
  // Keeps this for the next start, in place of what was kept; `leases`: of all hosts. KeptState has
  // no store yet. The second: nothing is kept any more. Neither waits for the disk.
  virtual void keep_state(KeptState state, std::vector<ListedLease> leases) = 0;
  virtual void forget_state() = 0;
  // Makes other ones, which are kept in their place. ErrorKind::conflict: they are the operator's,
  // and nothing has changed; after another failure either may be kept.
  virtual Result<WireguardIdentity> replace_wireguard_keys() = 0;
  // Keeps these in place of those.
  virtual Result<void> keep_wireguard_keys(const WireguardIdentity& keys) = 0;
  // Runs a command of the configuration (kernel/process/shell.h).
  virtual Result<SubscriptionPtr> run_command(ShellCall call,
                                              std::function<void(ShellEnd)> done) = 0;
  virtual CommandPlace command_place() = 0;
  // Agrees on keys with peers from now on. `on_state` is called when its problems may have changed.
  virtual std::unique_ptr<KeyExchange> open_key_exchange(const IpsecSettings& settings,
                                                         std::function<void()> on_state) = 0;
  // Makes a new node id, because another host has ours, and saves it for the next start if
  // possible.
  virtual Result<NodeId> replace_node_id() = 0;
};

}  // namespace flannel
