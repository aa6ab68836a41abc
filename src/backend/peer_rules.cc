// SPDX-License-Identifier: Apache-2.0
#include "backend/peer_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/printable.h"
#include "core/network_config.h"

namespace flannel {
namespace {

constexpr std::size_t kMostNamed = 10;

// RFC 791 and RFC 8200: every host accepts packets of this size.
constexpr std::uint32_t least_route_mtu(Family family) {
  return family == Family::v4 ? 576 : 1280;
}

// "PublicIP 192.0.2.1", "PublicIPv6 fd00::1".
std::string named(const IpAddress& public_ip) {
  return fmt::format("{} {}", public_ip.is_v4() ? "PublicIP" : "PublicIPv6", to_string(public_ip));
}

Result<void> check_links(const IpAddress& public_ip, const Surroundings& surroundings) {
  for (const LocalAddress& local : surroundings.local) {
    if (public_ip == local.ip) {
      return fail(ErrorKind::conflict,
                  fmt::format("its {} is our own, on {}", named(public_ip), local.interface));
    }
    if (local.has_no_host(public_ip)) {
      const std::string_view role = public_ip.is_v6()      ? "subnet-router anycast"
                                    : public_ip < local.ip ? "network"
                                                           : "broadcast";
      return fail(ErrorKind::invalid,
                  fmt::format("its {} is the {} address of the link of {}, and no host's",
                              named(public_ip), role, local.interface));
    }
  }
  return {};
}

Result<void> check_carrier(const IpAddress& ip, const Lease& own, const HostFacts& host) {
  const auto& underlay = host.underlay.at(ip.family);
  if (ip == own.attributes.public_ips().at(ip.family)) {
    return fail(ErrorKind::conflict, "it announces our own public IP " + to_string(ip));
  }
  if (underlay && ip == underlay->ip) {
    return fail(ErrorKind::conflict, "it announces our interface's address " + to_string(ip));
  }
  if (!ip.can_be_public()) {
    return fail(ErrorKind::invalid, "its " + named(ip) + " is no address of a host");
  }
  const auto& own_subnet = own.subnet.at(ip.family);
  if (own_subnet && own_subnet->contains(ip)) {
    return fail(ErrorKind::invalid,
                fmt::format("its {} lies in our own subnet {}", named(ip), to_string(own.subnet)));
  }
  return check_links(ip, host.surroundings);
}

// A route to `subnet` would capture packets to the addresses in it.
Result<void> check_capture(const IpPrefix& subnet, const IpAddress& carrier,
                           const HostFacts& host) {
  std::vector<IpAddress> underlay = {carrier};
  for (const UnderlayAddress& at : values_of(host.underlay))
    underlay.push_back(at.ip);
  for (const IpAddress& ip : underlay) {
    if (!subnet.contains(ip)) continue;
    return fail(ErrorKind::invalid,
                "its subnet contains " + to_string(ip) + ", which is an address of the underlay");
  }
  if (const AddressInUse* used = in_use_inside(subnet, host.surroundings)) {
    return fail(ErrorKind::conflict,
                fmt::format("its subnet contains {}, {}, which a route to it would cut off",
                            to_string(used->ip), used->what));
  }
  return {};
}

}  // namespace

Result<void> check_peer(const Lease& own, const Lease& peer, const HostFacts& host,
                        const PeerPath& path, std::string_view type) {
  const LeaseAttributes& announced = peer.attributes;
  if (announced.backend_type != type) {
    return fail(ErrorKind::unsupported,
                fmt::format("ignoring non-{} subnet: it announces the backend \"{}\"", type,
                            printable(shortened(announced.backend_type))));
  }
  const IpPrefix& subnet = *peer.subnet.at(path.family);
  if (subnet.overlaps(*own.subnet.at(path.family))) {
    return fail(ErrorKind::conflict, "it overlaps our own subnet " + to_string(own.subnet));
  }
  TRY(check_carrier(path.carrier, own, host));
  return check_capture(subnet, path.carrier, host);
}

Result<std::optional<std::uint32_t>> read_base_mtu(JsonObject& json, std::uint32_t overhead) {
  const auto mtu = TRY(json.integer("MTU", 0, kMaxMtu));
  if (!mtu || *mtu == 0) return std::nullopt;
  const std::uint32_t least = least_route_mtu(Family::v4) + overhead;
  if (*mtu < least) {
    return json.refuse(
        "MTU", fmt::format("must be at least {}, or 0 for that of the underlay interface", least));
  }
  return static_cast<std::uint32_t>(*mtu);
}

Result<void> check_underlay_mtu(std::string_view type, std::uint32_t overhead, Family family,
                                const Underlay& underlay) {
  if (underlay.mtu >= overhead + min_device_mtu(family)) return {};
  std::string text = fmt::format("{} adds {} bytes to a packet, and {} takes only {}", type,
                                 overhead, underlay.interface, underlay.mtu);
  if (family == Family::v6) text += "; IPv6 needs 1280 bytes (RFC 8200, section 5)";
  return fail(ErrorKind::unsupported, std::move(text));
}

std::uint32_t announced_mtu(std::uint32_t overlay_mtu) {
  return std::min(overlay_mtu, kMaxMtu);
}

std::uint32_t route_mtu(const Lease& peer, Family family, std::uint32_t ours) {
  const std::uint32_t theirs = peer.attributes.mtu;
  return theirs >= least_route_mtu(family) && theirs < ours ? theirs : 0;
}

void append_unknown_options(const JsonObject& json, std::vector<std::string>& warnings) {
  const std::vector<std::string> unknown = json.unknown_keys();
  for (std::size_t i = 0; i < std::min(unknown.size(), kMostNamed); ++i) {
    const std::string& key = unknown[i];
    const auto meant = json.meant_by(key);
    std::string advice;
    if (is_network_key(key)) {
      advice = "; it belongs beside Backend, not into it";
    } else if (meant) {
      advice = fmt::format("; did you mean {}?", *meant);
    }
    warnings.push_back(
        fmt::format("unknown option {} has no effect{}", word_or_quoted(shortened(key)), advice));
  }
  if (unknown.size() > kMostNamed) {
    warnings.push_back(
        fmt::format("{} more unknown options have no effect", unknown.size() - kMostNamed));
  }
}

}  // namespace flannel
