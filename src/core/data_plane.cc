// SPDX-License-Identifier: Apache-2.0
#include "core/data_plane.h"

#include <fmt/format.h>

#include "core/backend_option.h"
#include "core/go_json.h"

namespace flannel {
namespace {

// The VNI in the data of a family, or in that of the other one; both are the same. Releases of
// flannel before v0.14 write none.
std::optional<std::int64_t> announced_vni(const LeaseAttributes& lease) {
  for (const Family family : kFamilies) {
    auto data = JsonObject::parse(lease.data(family), "BackendData");
    if (!data) continue;
    if (const auto vni = data->integer("VNI"); vni && *vni) return **vni;
  }
  return std::nullopt;
}

std::string announced_type(const LeaseAttributes& lease, const DataPlane& expected) {
  if (!lease.backend_type.empty()) return lease.backend_type;
  return announces_no_type(expected.type) ? expected.type : "udp";
}

DataPlane by_default(std::string type) {
  NetworkConfig config;
  config.backend_type = std::move(type);
  return data_plane_of(config);
}

}  // namespace

std::string to_string(const DataPlane& plane) {
  if (plane.vni) return fmt::format("{} (VNI {}, Port {})", plane.type, *plane.vni, *plane.port);
  if (plane.port) return fmt::format("{} (Port {})", plane.type, *plane.port);
  return plane.type;
}

bool announces_no_type(std::string_view backend_type) {
  return backend_type == "udp" || backend_type == "alloc";
}

DataPlane data_plane_of(const NetworkConfig& config) {
  return {config.backend_type, number_option(config, "VNI"), number_option(config, "Port")};
}

DataPlane announced_data_plane(const LeaseAttributes& lease, const DataPlane& expected) {
  const std::string type = announced_type(lease, expected);
  DataPlane plane = type == expected.type ? expected : by_default(type);
  if (plane.vni) plane.vni = announced_vni(lease).value_or(*plane.vni);
  return plane;
}

bool announces(const LeaseAttributes& lease, const NetworkConfig& config) {
  const DataPlane wanted = data_plane_of(config);
  return announced_data_plane(lease, wanted) == wanted;
}

}  // namespace flannel
