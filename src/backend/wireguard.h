// SPDX-License-Identifier: Apache-2.0
// wireguard: packets between hosts are encrypted and authenticated by the kernel's WireGuard.
//
// Mode "separate": one device for each family of the network, flannel-wg for IPv4 and flannel-wg-v6
// for IPv6, each over its own family of the underlay. The other modes: one device, flannel-wg, for
// both families, over IPv4 ("ipv4"), IPv6 ("ipv6"), or what suits each peer ("auto").
//
// The whole network is routed to the device, which drops what is for no peer, and a blackhole of
// the network is behind that route: packets of the overlay never leave in clear.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"

namespace flannel {

// Bytes that are added to a packet, as upstream counts over either family: outer IPv6 header 40,
// UDP 8, WireGuard's header 16 and tag 16.
inline constexpr std::uint32_t kWireguardOverhead = 80;

struct WireguardOptions {
  enum class Mode { separate, automatic, ipv4, ipv6 };

  Mode mode = Mode::separate;
  std::uint16_t listen_port = 51820;
  std::uint16_t listen_port6 = 51821;     // of flannel-wg-v6
  std::uint16_t keepalive = 0;            // seconds, 0: none
  WireguardSecret preshared{};            // "PSK": that of all pairs of hosts
  std::optional<std::uint32_t> base_mtu;  // "MTU": replaces the underlay interface's
};

class WireguardBackend final : public Backend {
 public:
  static constexpr std::string_view kType = "wireguard";
  // Parses the Backend object. Its errors do not repeat the PSK.
  static Result<MadeBackend> make(const NetworkConfig& config, const Underlay& underlay);

  // `networks`: at most one of each family.
  WireguardBackend(WireguardOptions options, std::vector<IpPrefix> networks)
      : options_(std::move(options)), networks_(std::move(networks)) {}

  AnnouncedBackend announced() const override { return {.type = std::string(kType)}; }
  LeaseAttributes announce(const HostFacts& host, const Lease* previous) const override;
  std::uint32_t overlay_mtu(const HostFacts& host) const override;
  bool wants_wireguard_keys() const override { return true; }
  bool routes_network() const override { return true; }
  Result<IpAddress> carrier(const Lease& peer, Family family, const HostFacts& host) const override;
  std::uint16_t tunnel_port(const Lease& peer, const IpAddress& carrier) const override;
  std::vector<BackendDevice> devices(const HostFacts& host) const override;
  NetState host_state(const Lease& own, const HostFacts& host) const override;
  Result<NetState> peer_state(const Lease& own, const Lease& peer, const HostFacts& host,
                              const PeerPath& path) const override;

 private:
  bool is_separate() const { return options_.mode == WireguardOptions::Mode::separate; }
  // In what follows `family` is that of packets of the overlay.
  std::string device(Family family) const;
  std::uint16_t listen_port(Family family) const;

  WireguardOptions options_;
  std::vector<IpPrefix> networks_;
};

// The BackendData of a wireguard lease. Releases of flannel before v0.26.6 write no port.
struct WireguardData {
  WireguardKey key;
  std::uint16_t port = 0;  // 0: the lease does not say it, and it is that of the reader
};
std::string encode_wireguard_data(const WireguardData& data);  // {"PublicKey":"..","Port":51820}
Result<WireguardData> decode_wireguard_data(std::string_view json);
// The public key of a lease; nullopt: it is none of a wireguard host, or has none, or two.
std::optional<WireguardKey> announced_wireguard_key(const LeaseAttributes& lease);

}  // namespace flannel
