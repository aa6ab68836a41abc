// SPDX-License-Identifier: Apache-2.0
#include "backend/backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "backend/alloc.h"
#include "backend/extension.h"
#include "backend/host_gw.h"
#include "backend/ipip.h"
#include "backend/ipsec.h"
#include "backend/udp.h"
#include "backend/vxlan.h"
#include "backend/wireguard.h"
#include "base/printable.h"

namespace flannel {
namespace {

// Backends of other flannel releases that this release lacks, including the removed cloud backends.
constexpr auto kOthers =
    std::to_array<std::string_view>({"tencent-vpc", "ali-vpc", "aws-vpc", "gce"});

constexpr std::string_view kTypes =
    "the types are alloc, extension, host-gw, ipip, ipsec, udp, vxlan and wireguard";
constexpr std::string_view kChoices = R"(set Backend to {"Type":"vxlan"} or {"Type":"host-gw"})";

// True if an option names an address of this family.
bool asks_for(const UnderlayRequest& request, Family family) {
  const auto is_one = [family](const std::string& text) {
    return IpAddress::parse(text, family).has_value();
  };
  return is_one(request.announced(family)) || is_one(request.can_reach) ||
         std::ranges::any_of(request.interfaces, is_one);
}

}  // namespace

UnderlayRequest request_for(const NetworkConfig& config, UnderlayRequest request) {
  const bool v4 = config.v4 || asks_for(request, Family::v4);
  const bool v6 = config.v6 || asks_for(request, Family::v6);
  const Need each = v4 && v6 ? Need::wanted : Need::required;
  request.v4 = v4 ? each : Need::none;
  request.v6 = v6 ? each : Need::none;
  return request;
}

Underlay underlay_for(const NetworkConfig& config, Underlay underlay) {
  if (!config.v4) underlay.v4.reset();
  if (!config.v6) underlay.v6.reset();
  return underlay;
}

PublicIps public_ips_of(const Underlay& underlay) {
  PublicIps ips;
  for (const UnderlayAddress& at : values_of(underlay))
    ips.at(at.public_ip.family) = at.public_ip;
  return ips;
}

std::optional<PacketPathSettings> packet_path_of(const Backend& backend, const HostFacts& host) {
  Companion companion = backend.companion(host);
  auto* settings = std::get_if<PacketPathSettings>(&companion);
  return settings ? std::optional(std::move(*settings)) : std::nullopt;
}

std::vector<std::string> device_names(const Backend& backend, const HostFacts& host) {
  std::vector<std::string> names;
  for (const BackendDevice& device : backend.devices(host)) {
    if (std::ranges::find(names, device.name) == names.end()) names.push_back(device.name);
  }
  return names;
}

Result<IpAddress> carrier_in(Family family, const Lease& peer, const HostFacts& host) {
  const auto ip = peer.attributes.public_ips().at(family);
  const bool has_ours = host.underlay.at(family).has_value();
  if (ip && has_ours) return *ip;
  return fail(
      ErrorKind::unsupported,
      fmt::format("{} has no public {} address", has_ours ? "it" : "this host", to_string(family)));
}

Result<IpAddress> carrier_in_any(Family preferred, const Lease& peer, const HostFacts& host) {
  const Family other = preferred == Family::v4 ? Family::v6 : Family::v4;
  for (const Family family : {preferred, other}) {
    if (auto ip = carrier_in(family, peer, host)) return ip;
  }
  return fail(ErrorKind::unsupported,
              fmt::format("it and this host have no public addresses of one family: it has {}, "
                          "this host {}",
                          to_string(peer.attributes.public_ips()),
                          to_string(public_ips_of(host.underlay))));
}

Result<MadeBackend> make_backend(const NetworkConfig& config, const Underlay& underlay) {
  const std::string& type = config.backend_type;
  if (type == VxlanBackend::kType) return VxlanBackend::make(config, underlay);
  if (type == HostGwBackend::kType) return HostGwBackend::make(config.backend_options, underlay);
  if (type == IpipBackend::kType) return IpipBackend::make(config, underlay);
  if (type == WireguardBackend::kType) return WireguardBackend::make(config, underlay);
  if (type == IpsecBackend::kType) return IpsecBackend::make(config, underlay);
  if (type == AllocBackend::kType) return AllocBackend::make(config.backend_options);
  if (type == ExtensionBackend::kType) return ExtensionBackend::make(config.backend_options);
  if (type == UdpBackend::kType) return UdpBackend::make(config, underlay);
  if (std::ranges::find(kOthers, type) != kOthers.end()) {
    return fail(ErrorKind::unsupported,
                fmt::format("the {} backend is not part of this release: {}", type, kChoices));
  }
  return fail(ErrorKind::invalid, fmt::format("unknown backend \"{}\": {}; {}",
                                              printable(shortened(type)), kTypes, kChoices));
}

}  // namespace flannel
