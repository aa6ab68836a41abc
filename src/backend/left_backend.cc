// SPDX-License-Identifier: Apache-2.0
#include "backend/left_backend.h"

#include <string>
#include <variant>

#include "backend/ipip.h"
#include "backend/udp.h"
#include "backend/vxlan.h"
#include "backend/wireguard.h"

namespace flannel {
namespace {

AnnouncedBackend announced_by(const VxlanSettings& vxlan) {
  return {.type = std::string(VxlanBackend::kType), .vni = vxlan.vni, .port = vxlan.port};
}

AnnouncedBackend announced_by(const TunSettings&) {
  return {.type = std::string(UdpBackend::kType)};
}

AnnouncedBackend announced_by(const IpipSettings&) {
  return {.type = std::string(IpipBackend::kType)};
}

AnnouncedBackend announced_by(const WireguardSettings&) {
  return {.type = std::string(WireguardBackend::kType)};
}

void add_data(const VxlanSettings& vxlan, LeaseAttributes& lease) {
  lease.backend_type = VxlanBackend::kType;
  lease.data(vxlan.local.family) = encode_vxlan_data({vxlan.vni, vxlan.mac});
}

void add_data(const IpipSettings&, LeaseAttributes& lease) {
  lease.backend_type = IpipBackend::kType;
}

// Keys and ports are not read with the device, and those of the host are announced again.
void add_data(const WireguardSettings&, LeaseAttributes& lease) {
  lease.backend_type = WireguardBackend::kType;
}

// A lease of udp has neither type nor data.
void add_data(const TunSettings&, LeaseAttributes&) {}

}  // namespace

AnnouncedBackend backend_of(const LinkSettings& device) {
  return std::visit([](const auto& kind) { return announced_by(kind); }, device);
}

void announce(const LinkSettings& device, LeaseAttributes& lease) {
  lease.backend = backend_of(device);
  std::visit([&lease](const auto& kind) { add_data(kind, lease); }, device);
}

}  // namespace flannel
