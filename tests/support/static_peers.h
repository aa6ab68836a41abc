// SPDX-License-Identifier: Apache-2.0
// The command line of the stand-alone packet path programs, which describes an overlay without a
// store.
#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/parse.h"
#include "dataplane/forward_table.h"

namespace flannel {

struct StaticOverlay {
  std::string device = "flannel0";
  IpPrefix subnet;  // ours; its base is the tunnel address
  IpEndpoint local;
  std::uint32_t mtu = 1472;
  std::vector<OverlayPeer> peers;
  std::map<std::string, std::string> others;  // flags that only one of the programs knows
};

template <typename T>
T static_value(std::string_view flag, Result<T> parsed) {
  if (parsed) return *std::move(parsed);
  fmt::print(stderr, "{}: {}\n", flag, parsed.error().text);
  std::exit(2);
}

inline Result<IpEndpoint> parse_endpoint(std::string_view text) {
  const auto parts = split(text, ':');
  const auto port = parts.size() == 2 ? parse_decimal<std::uint16_t>(parts[1]) : std::nullopt;
  if (!port) return fail(ErrorKind::invalid, fmt::format("{} is not ADDRESS:PORT", text));
  return IpEndpoint{TRY(IpAddress::parse_v4(parts[0])), *port};
}

// SUBNET=ADDRESS:PORT
inline Result<OverlayPeer> parse_peer(std::string_view text) {
  const auto parts = split(text, '=');
  if (parts.size() != 2) return fail(ErrorKind::invalid, fmt::format("{} is not SUBNET=..", text));
  const IpPrefix subnet = TRY(IpPrefix::parse_v4(parts[0]));
  return OverlayPeer{subnet, TRY(parse_endpoint(parts[1]))};
}

// Ends the program if a flag is invalid.
inline StaticOverlay parse_static_overlay(int argc, char** argv) {
  StaticOverlay overlay;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view flag = argv[i];
    const std::string_view value = argv[i + 1];
    if (flag == "--tun") {
      overlay.device = value;
    } else if (flag == "--subnet") {
      overlay.subnet = static_value(flag, IpPrefix::parse_v4(value));
    } else if (flag == "--local") {
      overlay.local = static_value(flag, parse_endpoint(value));
    } else if (flag == "--mtu") {
      overlay.mtu = parse_decimal<std::uint32_t>(value).value_or(0);
    } else if (flag == "--peer") {
      overlay.peers.push_back(static_value(flag, parse_peer(value)));
    } else {
      overlay.others[std::string(flag)] = value;
    }
  }
  return overlay;
}

}  // namespace flannel
