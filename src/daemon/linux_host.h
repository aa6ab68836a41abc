// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/host.h"
#include "daemon/kept_fds.h"
#include "daemon/kept_state_file.h"
#include "daemon/opened_stores.h"
#include "daemon/read_host_clock.h"
#include "daemon/sd_notify.h"
#include "daemon/wireguard_key_file.h"
#include "kernel/host/host_locks.h"
#include "loop/loop.h"
#include "registry/store_name.h"

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

  // The files of the state folder that a host has, and another one for WireGuard.
  struct Files {
    std::string node_id;      // where another node id is saved
    WireguardKeyPlaces keys;  // where those of WireGuard are
    std::string kept_state;   // where what is known of the network is kept
    std::string folder;       // in which commands begin, and keep what they have done
  };

  // `store`: the one of the options. `boot`: this boot. `network`: the name of the network for
  // which this host is used; empty: it has none.
  LinuxHost(Parts parts, const StoreOptions& store, Files files, std::uint32_t boot,
            std::string network)
      : parts_(parts),
        stores_(store, parts.loop),
        files_(std::move(files)),
        kept_(files_.kept_state, name_of_store(store)),
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
  HostClock clock() override { return read_host_clock(); }
  std::optional<RestoredState> kept_state() override { return kept_.read(); }
  void keep_state(KeptState state, std::vector<ListedLease> leases) override {
    kept_.write(std::move(state), std::move(leases));
  }
  void forget_state() override { kept_.remove(); }
  Result<WireguardIdentity> replace_wireguard_keys() override {
    return replace_wireguard_key(files_.keys);
  }
  Result<void> keep_wireguard_keys(const WireguardIdentity& keys) override {
    return keep_wireguard_key(files_.keys, keys);
  }
  Result<SubscriptionPtr> run_command(ShellCall call, std::function<void(ShellEnd)> done) override;
  CommandPlace command_place() override;
  std::unique_ptr<KeyExchange> open_key_exchange(const IpsecSettings& settings,
                                                 std::function<void()> on_state) override;
  Result<NodeId> replace_node_id() override;

  // Closes what the run before left open for a packet path, also in the hands of systemd.
  void close_kept_path();

 private:
  Parts parts_;
  OpenedStores stores_;
  Files files_;
  KeptStateFile kept_;
  std::uint32_t boot_;
  std::string network_;
};

}  // namespace flannel
