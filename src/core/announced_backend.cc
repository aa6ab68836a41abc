// SPDX-License-Identifier: Apache-2.0
#include "core/announced_backend.h"

#include <fmt/format.h>

#include <utility>

#include "core/backend_option.h"
#include "core/go_json.h"

namespace flannel {
namespace {

// The VNI in the data of a family, or in that of the other one; both are the same. Releases of
// flannel before v0.14 write none.
std::uint32_t announced_vni(const LeaseAttributes& lease) {
  for (const Family family : kFamilies) {
    auto data = JsonObject::parse(lease.data(family), "BackendData");
    if (!data) continue;
    if (const auto vni = data->integer("VNI", 0, kMaxVni); vni && *vni) {
      return static_cast<std::uint32_t>(**vni);
    }
  }
  return 0;
}

AnnouncedBackend by_default(std::string type) {
  NetworkConfig config;
  config.backend_type = std::move(type);
  return configured_backend(config);
}

// As members of a JSON object: ,"GBP":true,"MTU":1400
std::string other_options(const NetworkConfig& config) {
  std::string members;
  for (const BackendOption& option : options_of_backend(config.backend_type)) {
    const std::string value = value_of_option(config, option);
    if (option.is_of_data_plane || value == option.absent) continue;
    const bool is_text = option.kind == BackendOption::Kind::text;
    members += fmt::format(",\"{}\":{}", option.key, is_text ? json_quote(value) : value);
  }
  return members;
}

}  // namespace

bool announces_no_type(std::string_view backend_type) {
  return backend_type == "udp" || backend_type == "alloc";
}

AnnouncedBackend configured_backend(const NetworkConfig& config) {
  return {.type = config.backend_type,
          .vni = static_cast<std::uint32_t>(number_option(config, "VNI").value_or(0)),
          .port = static_cast<std::uint16_t>(number_option(config, "Port").value_or(0))};
}

AnnouncedBackend backend_of(const LeaseAttributes& peer) {
  const bool agrees =
      peer.backend && (peer.backend_type.empty() || peer.backend_type == peer.backend->type);
  if (agrees) return *peer.backend;
  AnnouncedBackend backend{.type = peer.backend_type};
  if (backend.type == "vxlan") backend.vni = announced_vni(peer);
  return backend;
}

bool reaches(const AnnouncedBackend& ours, const AnnouncedBackend& theirs) {
  if (theirs.type.empty()) return announces_no_type(ours.type);
  const bool same_vni = theirs.vni == 0 || theirs.vni == ours.vni;
  const bool same_port = theirs.port == 0 || theirs.port == ours.port;
  return theirs.type == ours.type && same_vni && same_port;
}

AnnouncedBackend announced_backend(const LeaseAttributes& lease, const AnnouncedBackend& expected) {
  AnnouncedBackend backend = backend_of(lease);
  if (backend.type.empty()) backend.type = announces_no_type(expected.type) ? expected.type : "udp";
  const AnnouncedBackend open = backend.type == expected.type ? expected : by_default(backend.type);
  if (backend.vni == 0) backend.vni = open.vni;
  if (backend.port == 0) backend.port = open.port;
  return backend;
}

bool announces(const LeaseAttributes& lease, const NetworkConfig& config) {
  const AnnouncedBackend wanted = configured_backend(config);
  return announced_backend(lease, wanted) == wanted;
}

NetworkConfig with_backend(NetworkConfig config, const AnnouncedBackend& theirs) {
  std::string options = fmt::format("{{\"Type\":{}", json_quote(theirs.type));
  if (theirs.vni != 0) options += fmt::format(",\"VNI\":{}", theirs.vni);
  if (theirs.port != 0) options += fmt::format(",\"Port\":{}", theirs.port);
  if (config.backend_type == theirs.type) options += other_options(config);
  config.backend_type = theirs.type;
  config.backend_options = options + '}';
  return config;
}

}  // namespace flannel
