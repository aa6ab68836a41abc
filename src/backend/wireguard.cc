// SPDX-License-Identifier: Apache-2.0
#include "backend/wireguard.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "backend/peer_rules.h"
#include "core/go_json.h"

namespace flannel {
namespace {

using Mode = WireguardOptions::Mode;

constexpr std::int64_t kMostPort = 65535;
constexpr std::int64_t kMostKeepalive = 65535;  // WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL

constexpr auto kModes =
    std::to_array<std::pair<std::string_view, Mode>>({{"separate", Mode::separate},
                                                      {"auto", Mode::automatic},
                                                      {"ipv4", Mode::ipv4},
                                                      {"ipv6", Mode::ipv6}});

std::string_view name_of(Mode mode) {
  return std::ranges::find(kModes, mode, &std::pair<std::string_view, Mode>::second)->first;
}

Result<Mode> read_mode(JsonObject& json) {
  const auto text = TRY(json.string("Mode"));
  if (!text || text->empty()) return Mode::separate;
  const auto* const found =
      std::ranges::find(kModes, *text, &std::pair<std::string_view, Mode>::first);
  if (found == kModes.end()) return json.refuse("Mode", "must be separate, auto, ipv4 or ipv6");
  return found->second;
}

// The text of a secret is in no message.
Result<WireguardSecret> read_preshared(JsonObject& json) {
  const auto text = TRY(json.string("PSK"));
  if (!text || text->empty()) return WireguardSecret();
  return TRY_DURING(WireguardSecret::parse(*text), "PSK in the wireguard backend's options");
}

Result<std::uint16_t> read_port(JsonObject& json, std::string_view key, std::uint16_t otherwise) {
  return static_cast<std::uint16_t>(TRY(json.integer(key, 1, kMostPort)).value_or(otherwise));
}

Result<WireguardOptions> read_wireguard_options(JsonObject& json) {
  TRY(json.string("Type"));
  if (json.has("Fallback")) {
    return fail(ErrorKind::unsupported,
                "Fallback in the wireguard backend's options: there is none, because packets would "
                "travel in clear without anybody's notice; to give encryption up, set Backend to "
                "another Type");
  }
  WireguardOptions options;
  options.mode = TRY(read_mode(json));
  options.listen_port = TRY(read_port(json, "ListenPort", options.listen_port));
  options.listen_port6 = TRY(read_port(json, "ListenPortV6", options.listen_port6));
  options.keepalive = static_cast<std::uint16_t>(
      TRY(json.integer("PersistentKeepaliveInterval", 0, kMostKeepalive)).value_or(0));
  options.preshared = TRY(read_preshared(json));
  options.base_mtu = TRY(read_base_mtu(json, kWireguardOverhead));
  return options;
}

// A device listens on its port in both families.
Result<void> check_ports(const WireguardOptions& options, const NetworkConfig& config) {
  const bool has_two_devices = options.mode == Mode::separate && config.v4 && config.v6;
  if (!has_two_devices || options.listen_port != options.listen_port6) return {};
  return fail(ErrorKind::invalid,
              fmt::format("ListenPort and ListenPortV6 in the wireguard backend's options are both "
                          "{}, and two devices need two ports",
                          options.listen_port));
}

Result<void> check_mtus(const WireguardOptions& options, const NetworkConfig& config,
                        const Underlay& underlay) {
  for (const IpPrefix& network : config.networks()) {
    const Family family = network.family();
    TRY(check_underlay_mtu(WireguardBackend::kType, kWireguardOverhead, family, underlay));
    const std::uint32_t least = kWireguardOverhead + min_device_mtu(family);
    if (options.base_mtu.value_or(least) >= least) continue;
    return fail(ErrorKind::invalid,
                fmt::format("MTU {} in the wireguard backend's options: must be at least {}, or 0 "
                            "for that of the underlay interface: {} needs {}",
                            *options.base_mtu, least, to_string(family), min_device_mtu(family)));
  }
  return {};
}

// RFC 1918, and RFC 4193 of IPv6.
bool is_private(const IpAddress& ip) {
  if (ip.is_v6()) return ip.is_unique_local();
  static const auto kPrivate = std::to_array<IpPrefix>({{IpAddress::v4(10, 0, 0, 0), 8},
                                                        {IpAddress::v4(172, 16, 0, 0), 12},
                                                        {IpAddress::v4(192, 168, 0, 0), 16}});
  return std::ranges::any_of(kPrivate, [&ip](const IpPrefix& net) { return net.contains(ip); });
}

// As upstream: a public IPv4 address is the most likely to be reached, then IPv6 if it is public on
// both sides, then IPv4.
Result<IpAddress> likely_carrier(const Lease& peer, const HostFacts& host) {
  const auto v4 = carrier_in(Family::v4, peer, host);
  const auto v6 = carrier_in(Family::v6, peer, host);
  if (!v4 || !v6) return carrier_in_any(Family::v4, peer, host);
  if (!is_private(*v4)) return v4;
  const bool both_public = !is_private(*v6) && !is_private(host.underlay.v6->public_ip);
  return both_public ? v6 : v4;
}

// Every host has one key for both families.
bool has_two_keys(const LeaseAttributes& lease) {
  if (lease.backend_data.empty() || lease.backend_v6_data.empty()) return false;
  const auto v4 = decode_wireguard_data(lease.backend_data);
  const auto v6 = decode_wireguard_data(lease.backend_v6_data);
  return v4 && v6 && v4->key != v6->key;
}

}  // namespace

Result<MadeBackend> WireguardBackend::make(const NetworkConfig& config, const Underlay& underlay) {
  auto json = TRY(JsonObject::parse(config.backend_options, "the wireguard backend's options"));
  WireguardOptions options = TRY(read_wireguard_options(json));
  TRY(check_ports(options, config));
  TRY(check_mtus(options, config, underlay));
  MadeBackend made;
  if (options.base_mtu && *options.base_mtu > underlay.mtu) {
    made.warnings.push_back(fmt::format("MTU {} is more than {} has; {} is used", *options.base_mtu,
                                        underlay.interface, underlay.mtu));
  }
  append_unknown_options(json, made.warnings);
  made.options = fmt::format(
      "WIREGUARD config: Mode={} ListenPort={} ListenPortV6={} PersistentKeepaliveInterval={} "
      "PSK={}",
      name_of(options.mode), options.listen_port, options.listen_port6, options.keepalive,
      options.preshared.is_none() ? "none" : "(hidden)");
  made.backend = std::make_unique<WireguardBackend>(std::move(options), config.networks());
  return made;
}

std::string WireguardBackend::device(Family family) const {
  return std::string(is_separate() && family == Family::v6 ? kWireguardDevice6 : kWireguardDevice);
}

std::uint16_t WireguardBackend::listen_port(Family family) const {
  return is_separate() && family == Family::v6 ? options_.listen_port6 : options_.listen_port;
}

// Upstream flannel ignores a whole peer without data of a family that the network has, and crashes
// on data without an address where it sends to that. So a family of the network that the underlay
// lacks is announced with an unspecified address, to which the kernel sends nothing. In the mode
// auto upstream takes IPv4 if there is no IPv6 address, and may take an unspecified one.
LeaseAttributes WireguardBackend::announce(const HostFacts& host, const Lease*) const {
  LeaseAttributes attributes = LeaseAttributes::of_host(public_ips_of(host.underlay));
  attributes.backend_type = kType;
  attributes.backend = announced();
  attributes.mtu = announced_mtu(overlay_mtu(host));
  for (const IpPrefix& network : networks_) {
    const Family family = network.family();
    if (host.wireguard) {
      attributes.data(family) = encode_wireguard_data({host.wireguard->key, listen_port(family)});
    }
    const bool sends_to_it = is_separate() || options_.mode == Mode::ipv6;
    if (family == Family::v6 && !host.underlay.v6 && sends_to_it) {
      attributes.public_ip6 = IpAddress::unspecified(Family::v6);
    }
  }
  return attributes;
}

std::uint32_t WireguardBackend::overlay_mtu(const HostFacts& host) const {
  return std::min(options_.base_mtu.value_or(host.underlay.mtu), host.underlay.mtu) -
         kWireguardOverhead;
}

Result<IpAddress> WireguardBackend::carrier(const Lease& peer, Family family,
                                            const HostFacts& host) const {
  switch (options_.mode) {
    case Mode::separate:
      return carrier_in(family, peer, host);
    case Mode::ipv4:
      return carrier_in(Family::v4, peer, host);
    case Mode::ipv6:
      return carrier_in(Family::v6, peer, host);
    case Mode::automatic:
      break;
  }
  return likely_carrier(peer, host);
}

// In the modes with one device both families have the same port, in the data of either.
std::uint16_t WireguardBackend::tunnel_port(const Lease& peer, const IpAddress& carrier) const {
  const Family other = carrier.is_v4() ? Family::v6 : Family::v4;
  for (const Family family : {carrier.family, other}) {
    if (is_separate() && family != carrier.family) break;
    const auto data = decode_wireguard_data(peer.attributes.data(family));
    if (data && data->port != 0) return data->port;
  }
  return listen_port(carrier.family);
}

std::vector<BackendDevice> WireguardBackend::devices(const HostFacts&) const {
  std::vector<BackendDevice> all;
  for (const IpPrefix& network : networks_)
    all.push_back({device(network.family()), network.family()});
  return all;
}

NetState WireguardBackend::host_state(const Lease& own, const HostFacts& host) const {
  NetState state;
  if (!host.wireguard) return state;
  for (const IpPrefix& network : networks_) {
    const Family family = network.family();
    const std::string name = device(family);
    if (std::ranges::find(state.links, name, &Link::name) == state.links.end()) {
      state.links.push_back({.name = name,
                             .kind = WireguardSettings{.key = host.wireguard->key,
                                                       .port = listen_port(family),
                                                       .secret = host.wireguard->secret},
                             .mtu = overlay_mtu(host),
                             .up = true});
    }
    const auto& subnet = own.subnet.at(family);
    if (!subnet) continue;
    state.addresses.push_back({.link = name, .ip = subnet->base, .bits = address_bits(family)});
    if (host.route_each_peer) continue;
    state.routes.push_back({.to = network, .link = name});
    state.routes.push_back({.to = network, .link = {}, .blackhole = true});
  }
  return state;
}

Result<NetState> WireguardBackend::peer_state(const Lease& own, const Lease& peer,
                                              const HostFacts& host, const PeerPath& path) const {
  TRY(check_peer(own, peer, host, path, kType));
  if (has_two_keys(peer.attributes)) {
    return fail(ErrorKind::invalid,
                "it announces one public key for IPv4 and another one for IPv6, which no flannel "
                "does");
  }
  const bool in_v6 =
      is_separate() ? path.family == Family::v6 : !peer.attributes.backend_v6_data.empty();
  const auto data =
      TRY(decode_wireguard_data(peer.attributes.data(in_v6 ? Family::v6 : Family::v4)));
  if (host.wireguard && data.key == host.wireguard->key) {
    return fail(ErrorKind::conflict,
                "it announces our own public key: one of the two hosts has a copy of the other's "
                "key file; `flannelctl wireguard rotate` on one of them makes another key");
  }
  WireguardPeer wanted{.link = device(path.family),
                       .key = data.key,
                       .preshared = options_.preshared,
                       .endpoint = {path.carrier, tunnel_port(peer, path.carrier)},
                       .keepalive = options_.keepalive};
  for (const IpPrefix& network : networks_) {
    const Family family = network.family();
    const bool shares_device = device(family) == wanted.link && own.subnet.at(family);
    if (shares_device && peer.subnet.at(family)) wanted.allowed.push_back(*peer.subnet.at(family));
  }
  NetState state;
  const std::uint32_t mtu = route_mtu(peer, path.family, overlay_mtu(host));
  if (host.route_each_peer || mtu != 0) {
    state.routes.push_back({.to = *peer.subnet.at(path.family), .link = wanted.link, .mtu = mtu});
  }
  state.wireguard.emplace_back(std::move(wanted));
  return state;
}

std::string encode_wireguard_data(const WireguardData& data) {
  return fmt::format(R"({{"PublicKey":"{}","Port":{}}})", to_string(data.key), data.port);
}

Result<WireguardData> decode_wireguard_data(std::string_view text) {
  if (text.empty()) return fail(ErrorKind::invalid, "it announces no BackendData");
  auto json = TRY(JsonObject::parse(text, "BackendData"));
  const auto key = TRY(json.parsed<WireguardKey>("PublicKey"));
  if (!key) return fail(ErrorKind::invalid, "BackendData has no PublicKey");
  const auto port = TRY(json.integer("Port", 0, kMostPort));
  return WireguardData{*key, static_cast<std::uint16_t>(port.value_or(0))};
}

std::optional<WireguardKey> announced_wireguard_key(const LeaseAttributes& lease) {
  if (lease.backend_type != WireguardBackend::kType || has_two_keys(lease)) return std::nullopt;
  for (const Family family : kFamilies) {
    if (const auto data = decode_wireguard_data(lease.data(family))) return data->key;
  }
  return std::nullopt;
}

}  // namespace flannel
