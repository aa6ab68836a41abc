// SPDX-License-Identifier: Apache-2.0
#include "backend/backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "backend/alloc.h"
#include "backend/host_gw.h"
#include "backend/vxlan.h"
#include "base/printable.h"

namespace flannel {
namespace {

// Backends of flannel releases that this one has not, the removed cloud ones included.
constexpr auto kOthers = std::to_array<std::string_view>(
    {"ipip", "wireguard", "ipsec", "extension", "tencent-vpc", "ali-vpc", "aws-vpc", "gce"});

constexpr std::string_view kChoices = R"(set Backend to {"Type":"vxlan"} or {"Type":"host-gw"})";

}  // namespace

Result<MadeBackend> make_backend(const NetworkConfig& config, const Underlay& underlay) {
  const std::string& type = config.backend_type;
  if (type == VxlanBackend::kType) return VxlanBackend::make(config.backend_options);
  if (type == HostGwBackend::kType) return HostGwBackend::make(config.backend_options, underlay);
  if (type == AllocBackend::kType) return AllocBackend::make(config.backend_options);
  if (type == "udp") {
    return fail(ErrorKind::unsupported,
                fmt::format("the udp backend, which a configuration without Backend means, is not "
                            "part of this release yet: {}",
                            kChoices));
  }
  if (std::ranges::find(kOthers, type) != kOthers.end()) {
    return fail(ErrorKind::unsupported,
                fmt::format("the {} backend is not part of this release: {}", type, kChoices));
  }
  return fail(ErrorKind::invalid,
              fmt::format("unknown backend \"{}\": {}", printable(type), kChoices));
}

}  // namespace flannel
