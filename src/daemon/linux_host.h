// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/host.h"
#include "daemon/kept_fds.h"
#include "daemon/opened_stores.h"
#include "daemon/sd_notify.h"
#include "daemon/wireguard_key_file.h"
#include "kernel/host/host_locks.h"
#include "loop/loop.h"

namespace flannel {

// The network namespace in which the daemon runs.
class LinuxHost final : public Host {
 public:
  struct Parts {  // all must outlive the host
    Loop& loop;
    HostLocks& locks;
    ServiceNotifier& notifier;  // keeps the descriptors of a packet path for the next run
    KeptFds& kept;              // the descriptors that the run before left with systemd
  };

  // `store`: the one of the options. `node_id_file`: where another node id is saved. `keys`: where
  // those of WireGuard are. `state_folder`: in which commands begin, and keep what they have done,
  // on this `boot`. `network`: the name of the network for which this host is used; empty:
  // it has none.
  LinuxHost(Parts parts, const StoreOptions& store, std::string node_id_file,
            WireguardKeyPlaces keys, std::string state_folder, std::uint32_t boot,
            std::string network)
      : parts_(parts),
        stores_(store, parts.loop),
        node_id_file_(std::move(node_id_file)),
        keys_(std::move(keys)),
        state_folder_(std::move(state_folder)),
        boot_(boot),
        network_(std::move(network)) {}

  Result<HostView> view() override;
  Result<HostState> traffic_state(const HostQuery& query) override;
  std::vector<LeftDevice> left_devices(std::span<const IpPrefix> networks) override;
  Result<std::vector<Fd>> lock(std::string_view what) override;
  Result<std::unique_ptr<PacketPath>> open_packet_path(const PacketPathSettings& settings,
                                                       std::function<void()> on_state) override;
  Result<std::unique_ptr<ProbePort>> open_probe_port(ProbePort::Events events) override;
  std::vector<IpAddress> store_addresses() override { return stores_.addresses(); }
  Result<std::unique_ptr<Registry>> open_store(const StoreAddress& address) override {
    return stores_.open(address);
  }
  Result<WireguardIdentity> wireguard_keys() override;
  Result<SubscriptionPtr> run_command(ShellCall call, std::function<void(ShellEnd)> done) override;
  CommandPlace command_place() override;
  Result<NodeId> replace_node_id() override;

  // Closes what the run before left open for a packet path, also in the hands of systemd.
  void close_kept_path();

 private:
  Parts parts_;
  OpenedStores stores_;
  std::string node_id_file_;
  WireguardKeyPlaces keys_;
  std::string state_folder_;
  std::uint32_t boot_;
  std::string network_;
};

}  // namespace flannel
