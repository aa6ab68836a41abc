// SPDX-License-Identifier: Apache-2.0
#include "core/backend_option.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/parse.h"
#include "core/go_json.h"

namespace flannel {
namespace {

using Kind = BackendOption::Kind;

constexpr auto kVxlan = std::to_array<BackendOption>(
    {{.key = "VNI", .kind = Kind::number, .absent = "1", .is_of_data_plane = true},
     {.key = "Port",
      .kind = Kind::number,
      .absent = "8472",
      .zero_is_absent = true,
      .is_of_data_plane = true},
     {.key = "MTU", .kind = Kind::number, .absent = "that of the underlay", .zero_is_absent = true},
     {.key = "GBP", .absent = "false", .remakes_the_device = true},
     {.key = "Learning", .absent = "false"},
     {.key = "DirectRouting", .absent = "false"}});

constexpr auto kUdp = std::to_array<BackendOption>(
    {{.key = "Port",
      .kind = Kind::number,
      .absent = "8285",
      .zero_is_absent = true,
      .is_of_data_plane = true},
     {.key = "AcceptAny", .absent = "false"},
     {.key = "Persistent", .absent = "true"},
     {.key = "Queues", .kind = Kind::number, .absent = "by the number of CPUs"}});

constexpr auto kIpip = std::to_array<BackendOption>(
    {{.key = "MTU", .kind = Kind::number, .absent = "that of the underlay", .zero_is_absent = true},
     {.key = "DirectRouting", .absent = "false"}});

constexpr auto kWireguard = std::to_array<BackendOption>(
    {{.key = "Mode", .kind = Kind::text, .absent = "separate"},
     {.key = "ListenPort", .kind = Kind::number, .absent = "51820"},
     {.key = "ListenPortV6", .kind = Kind::number, .absent = "51821"},
     {.key = "PersistentKeepaliveInterval", .kind = Kind::number, .absent = "0"},
     {.key = "PSK", .kind = Kind::text, .absent = "none", .is_secret = true},
     {.key = "MTU",
      .kind = Kind::number,
      .absent = "that of the underlay",
      .zero_is_absent = true}});

constexpr auto kIpsec = std::to_array<BackendOption>(
    {{.key = "UDPEncap", .absent = "false"},
     {.key = "ESPProposal", .kind = Kind::text, .absent = "aes128gcm16-sha256-prfsha256-ecp256"},
     {.key = "PSK", .kind = Kind::text, .absent = "none", .is_secret = true}});

// Commands are long, and may have secrets.
constexpr auto kExtension = std::to_array<BackendOption>(
    {{.key = "PreStartupCommand", .kind = Kind::text, .absent = "none", .is_secret = true},
     {.key = "PostStartupCommand", .kind = Kind::text, .absent = "none", .is_secret = true},
     {.key = "SubnetAddCommand", .kind = Kind::text, .absent = "none", .is_secret = true},
     {.key = "SubnetRemoveCommand", .kind = Kind::text, .absent = "none", .is_secret = true},
     {.key = "ShutdownCommand", .kind = Kind::text, .absent = "none", .is_secret = true},
     {.key = "CommandTimeout", .kind = Kind::number, .absent = "30", .zero_is_absent = true},
     {.key = "RemoveAtExit", .absent = "false"},
     {.key = "MTU",
      .kind = Kind::number,
      .absent = "that of the underlay",
      .zero_is_absent = true}});

std::optional<std::string> read_number(JsonObject& json, const BackendOption& option) {
  const auto number = json.integer(option.key, 0, std::numeric_limits<std::uint32_t>::max());
  if (!number || !*number || (**number == 0 && option.zero_is_absent)) return std::nullopt;
  return std::to_string(**number);
}

std::optional<std::string> read_boolean(JsonObject& json, const BackendOption& option) {
  const auto given = json.boolean(option.key);
  if (!given || !*given) return std::nullopt;
  return **given ? "true" : "false";
}

std::optional<std::string> read_text(JsonObject& json, const BackendOption& option) {
  const auto given = json.string(option.key);
  if (!given || !*given || (*given)->empty()) return std::nullopt;
  return **given;
}

std::optional<std::string> read(JsonObject& json, const BackendOption& option) {
  switch (option.kind) {
    case Kind::number:
      return read_number(json, option);
    case Kind::boolean:
      return read_boolean(json, option);
    case Kind::text:
      break;
  }
  return read_text(json, option);
}

}  // namespace

std::span<const BackendOption> options_of_backend(std::string_view type) {
  if (type == "vxlan") return kVxlan;
  if (type == "udp") return kUdp;
  if (type == "ipip") return kIpip;
  if (type == "wireguard") return kWireguard;
  if (type == "ipsec") return kIpsec;
  if (type == "extension") return kExtension;
  return {};
}

std::string value_of_option(const NetworkConfig& config, const BackendOption& option) {
  auto json = JsonObject::parse(config.backend_options, "Backend");
  std::optional<std::string> given;
  if (json) given = read(*json, option);
  return given.value_or(std::string(option.absent));
}

std::optional<std::int64_t> number_option(const NetworkConfig& config, std::string_view key) {
  const auto options = options_of_backend(config.backend_type);
  const auto option = std::ranges::find(options, key, &BackendOption::key);
  if (option == options.end()) return std::nullopt;
  return parse_decimal<std::int64_t>(value_of_option(config, *option));
}

}  // namespace flannel
