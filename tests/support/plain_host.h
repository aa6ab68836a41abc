// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "daemon/host.h"

namespace flannel {

class NoKeys final : public KeyExchange {
 public:
  void set_settings(const IpsecSettings&) override {}
  void set_peers(std::vector<IpsecPeer>) override {}
  void withdraw(std::function<void()> done) override { done(); }
  void append_problems(std::vector<Problem>&) const override {}
};

// A host on which nothing happens: its traffic passes, nobody else has a lock, and no run before
// left anything, nor does this one. What it has no answer to fails.
class PlainHost : public Host {
 public:
  Result<HostState> traffic_state(const HostQuery&) override { return HostState{}; }
  std::vector<LeftDevice> left_devices(std::span<const IpPrefix>) override { return {}; }
  Result<std::vector<Fd>> lock(std::string_view) override { return std::vector<Fd>(); }
  Result<std::unique_ptr<PacketPath>> open_packet_path(const PacketPathSettings&,
                                                       std::function<void()>) override {
    return fail(ErrorKind::unsupported, "this host has no packet path");
  }
  Result<std::unique_ptr<ProbePort>> open_probe_port(ProbePort::Events) override {
    return fail(ErrorKind::unsupported, "this host has no probes");
  }
  std::vector<IpAddress> store_addresses() override { return {}; }
  Result<std::unique_ptr<Registry>> open_store(const StoreAddress&) override {
    return fail(ErrorKind::unsupported, "this host has one store only");
  }
  Result<WireguardIdentity> wireguard_keys() override {
    return fail(ErrorKind::unsupported, "this host has no keys");
  }
  HostClock clock() override { return {}; }
  std::optional<RestoredState> kept_state() override { return std::nullopt; }
  void keep_state(KeptState, std::vector<ListedLease>) override {}
  void forget_state() override {}
  Result<WireguardIdentity> replace_wireguard_keys() override { return wireguard_keys(); }
  Result<void> keep_wireguard_keys(const WireguardIdentity&) override { return {}; }
  Result<SubscriptionPtr> run_command(ShellCall, std::function<void(ShellEnd)>) override {
    return fail(ErrorKind::unsupported, "this host has no shell");
  }
  CommandPlace command_place() override { return {}; }
  std::unique_ptr<KeyExchange> open_key_exchange(const IpsecSettings&,
                                                 std::function<void()>) override {
    return std::make_unique<NoKeys>();
  }
  Result<NodeId> replace_node_id() override {
    return fail(ErrorKind::unsupported, "the node id is fixed");
  }
};

}  // namespace flannel
