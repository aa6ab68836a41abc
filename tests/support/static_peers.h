// SPDX-License-Identifier: Apache-2.0
// The command line of the stand-alone packet path programs, which describes an overlay without a
// store.
#pragma once

#include <fmt/format.h>

#include <algorithm>
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
  OverlayHost host = {.mtu = 1472};  // the base of each subnet is the tunnel address
  std::vector<IpEndpoint> local;
  std::vector<OverlayPeer> peers;
  std::map<std::string, std::string> others;  // flags that only one of the programs knows
};

template <typename T>
T static_value(std::string_view flag, Result<T> parsed) {
  if (parsed) return *std::move(parsed);
  fmt::print(stderr, "{}: {}\n", flag, parsed.error().text);
  std::exit(2);
}

// 192.0.2.1:8285 or [2001:db8::1]:8285
inline Result<IpEndpoint> parse_endpoint(std::string_view text) {
  const std::size_t colon = std::min(text.rfind(':'), text.size());
  const auto port = parse_decimal<std::uint16_t>(text.substr(std::min(colon + 1, text.size())));
  if (!port) return fail(ErrorKind::invalid, fmt::format("{} is not ADDRESS:PORT", text));
  std::string_view ip = text.substr(0, colon);
  if (ip.starts_with('[') && ip.ends_with(']')) ip = ip.substr(1, ip.size() - 2);
  return IpEndpoint{TRY(IpAddress::parse(ip)), *port};
}

// SUBNET=ADDRESS:PORT
inline Result<OverlayPeer> parse_peer(std::string_view text) {
  const auto parts = split(text, '=');
  if (parts.size() != 2) return fail(ErrorKind::invalid, fmt::format("{} is not SUBNET=..", text));
  const IpPrefix subnet = TRY(IpPrefix::parse(parts[0]));
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
      const IpPrefix subnet = static_value(flag, IpPrefix::parse(value));
      (subnet.family() == Family::v4 ? overlay.host.v4 : overlay.host.v6) =
          OwnSubnet{.subnet = subnet, .tunnel_address = subnet.base};
    } else if (flag == "--local") {
      overlay.local.push_back(static_value(flag, parse_endpoint(value)));
    } else if (flag == "--mtu") {
      overlay.host.mtu = parse_decimal<std::uint32_t>(value).value_or(0);
    } else if (flag == "--peer") {
      overlay.peers.push_back(static_value(flag, parse_peer(value)));
    } else {
      overlay.others[std::string(flag)] = value;
    }
  }
  return overlay;
}

}  // namespace flannel
