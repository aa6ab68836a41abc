// SPDX-License-Identifier: Apache-2.0
#include "backend/backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "backend/alloc.h"
#include "backend/host_gw.h"
#include "backend/udp.h"
#include "backend/vxlan.h"
#include "base/printable.h"

namespace flannel {
namespace {

// Backends of other flannel releases that this release lacks, including the removed cloud backends.
constexpr auto kOthers = std::to_array<std::string_view>(
    {"ipip", "wireguard", "ipsec", "extension", "tencent-vpc", "ali-vpc", "aws-vpc", "gce"});

constexpr std::string_view kTypes = "the types are alloc, host-gw, udp and vxlan";
constexpr std::string_view kChoices = R"(set Backend to {"Type":"vxlan"} or {"Type":"host-gw"})";

Result<MadeBackend> make_by_type(const NetworkConfig& config, const Underlay& underlay) {
  const std::string& type = config.backend_type;
  if (type == VxlanBackend::kType) return VxlanBackend::make(config.backend_options, underlay);
  if (type == HostGwBackend::kType) return HostGwBackend::make(config.backend_options, underlay);
  if (type == AllocBackend::kType) return AllocBackend::make(config.backend_options);
  if (type == UdpBackend::kType) {
    return UdpBackend::make(config.backend_options, config.v4->network, underlay);
  }
  if (std::ranges::find(kOthers, type) != kOthers.end()) {
    return fail(ErrorKind::unsupported,
                fmt::format("the {} backend is not part of this release: {}", type, kChoices));
  }
  return fail(ErrorKind::invalid, fmt::format("unknown backend \"{}\": {}; {}",
                                              printable(shortened(type)), kTypes, kChoices));
}

}  // namespace

Result<MadeBackend> make_backend(const NetworkConfig& config, const Underlay& underlay) {
  if (!config.v4) {
    return fail(ErrorKind::unsupported,
                "EnableIPv4 is false: a network of IPv6 alone is not part of this release");
  }
  auto made = TRY(make_by_type(config, underlay));
  if (config.v6) {
    made.warnings.push_back("EnableIPv6 has no effect: this release sets up IPv4 alone");
  }
  return made;
}

}  // namespace flannel
